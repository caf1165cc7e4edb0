import { CfnOutput, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AccountRecovery, CfnUserPoolGroup, FeaturePlan, Mfa, UserPool } from 'aws-cdk-lib/aws-cognito';
import type { Construct } from 'constructs';
import { type GroupGrants, sameGroups } from '../core/default-groups.ts';
import type { EnvOf, signInEnv } from '../functions/env.ts';
import type { Settings } from './settings.ts';

export type OidcEnv = Omit<EnvOf<typeof signInEnv>, 'ARCHIVESSPACE_URL' | 'SESSION_FUNCTION'>;

const noTokens: OidcEnv = {
  OIDC_ISSUER: '',
  OIDC_AUDIENCE: '',
  OIDC_USERNAME_CLAIM: '',
  OIDC_GROUPS_CLAIM: '',
  OIDC_GROUPS: '',
};

/**
 * Whose tokens the service takes: those of the issuer of the settings, none where ArchivesSpace's sessions are enough,
 * and those of a user pool made here where there is neither, so that a first deploy works (design 3.12).
 */
export function makeSignIn(scope: Construct, settings: Settings): OidcEnv {
  const { oidc, archivesspaceUrl } = settings;
  if (oidc) {
    return {
      OIDC_ISSUER: oidc.issuer,
      OIDC_AUDIENCE: oidc.audience,
      OIDC_USERNAME_CLAIM: oidc.usernameClaim,
      OIDC_GROUPS_CLAIM: oidc.groupsClaim,
      OIDC_GROUPS: JSON.stringify(oidc.groups),
    };
  }
  if (archivesspaceUrl) return noTokens;
  const groups = settings.oidcGroups ?? sameGroups;
  const { issuer, clientId } = makePool(scope, settings.stage, groups);
  new CfnOutput(scope, 'OidcIssuer', { value: issuer, description: 'Whose tokens the API takes.' });
  new CfnOutput(scope, 'OidcClientId', { value: clientId, description: 'Signs people in.' });
  return {
    OIDC_ISSUER: issuer,
    // ID tokens are for the client; access tokens of a user pool name no audience, and are refused.
    OIDC_AUDIENCE: clientId,
    OIDC_USERNAME_CLAIM: 'cognito:username',
    OIDC_GROUPS_CLAIM: 'cognito:groups',
    OIDC_GROUPS: JSON.stringify(groups),
  };
}

/** A user pool that only its administrators fill. It outlives the stack: who did what is in the jobs by its names. */
function makePool(scope: Construct, stage: string, groups: GroupGrants) {
  const pool = new UserPool(scope, 'People', {
    userPoolName: `background-jobs-${stage}`,
    featurePlan: FeaturePlan.ESSENTIALS,
    selfSignUpEnabled: false,
    signInCaseSensitive: false,
    accountRecovery: AccountRecovery.EMAIL_ONLY,
    passwordPolicy: {
      minLength: 12,
      requireDigits: true,
      requireLowercase: true,
      requireUppercase: true,
      requireSymbols: false,
      tempPasswordValidity: Duration.days(7),
    },
    mfa: Mfa.OPTIONAL,
    mfaSecondFactor: { sms: false, otp: true },
    deletionProtection: true,
    removalPolicy: RemovalPolicy.RETAIN,
  });
  for (const [index, groupName] of Object.keys(groups).entries()) {
    const group = new CfnUserPoolGroup(scope, `Group${index}`, { userPoolId: pool.userPoolId, groupName });
    group.applyRemovalPolicy(RemovalPolicy.RETAIN);
  }
  const client = pool.addClient('Jobs', {
    generateSecret: false,
    // Passwords go to Cognito by SRP; with AWS credentials at hand also by the command line (docs/sign-in.md).
    authFlows: { userSrp: true, adminUserPassword: true },
    disableOAuth: true,
    preventUserExistenceErrors: true,
    enableTokenRevocation: true,
    idTokenValidity: Duration.hours(1),
    accessTokenValidity: Duration.hours(1),
    refreshTokenValidity: Duration.hours(12),
  });
  return { issuer: pool.userPoolProviderUrl, clientId: client.userPoolClientId };
}
