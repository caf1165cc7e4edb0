import { beforeAll, describe, expect, test } from 'vitest';
import { defaultGroups } from '../../core/default-groups.ts';
import { readSettings } from '../../infra/settings.ts';
import { statementsOf } from './policies.ts';
import { at, plain, type Synthesized, synthesize } from './synthesize.ts';

const secret = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:archivesspace-AbCdEf';
const archivesspace = { archivesspace_url: 'https://archives.example.org', archivesspace_secret_arn: secret };
const issuer = { oidc_issuer: 'https://login.example.org/realms/staff', oidc_audience: 'jobs' };
const groups = { staff: { '/repositories/2': 'repository-archivists' }, it: { _archivesspace: ['administrators'] } };

const api = ['ApiRead', 'ApiCreate', 'ApiCancel', 'ApiSignIn'];
const environment = (stack: Synthesized, id: string) =>
  at(stack.one('AWS::Lambda::Function', id), 'Environment', 'Variables') as Record<string, unknown>;
const oidcOf = (stack: Synthesized, id: string) =>
  Object.fromEntries(Object.entries(environment(stack, id)).filter(([name]) => name.startsWith('OIDC_')));
const invoking = (stack: Synthesized) =>
  api.filter((id) => statementsOf(stack, `${id}Role`).some(({ actions }) => actions.includes('lambda:InvokeFunction')));

describe('with neither an ArchivesSpace nor an issuer', () => {
  let stack: Synthesized;
  beforeAll(async () => {
    stack = await synthesize({});
  });

  test('people sign in with a user pool that only its administrators fill, and that outlives the stack', () => {
    const [[, pool] = []] = stack.all('AWS::Cognito::UserPool');

    expect(pool).toMatchObject({
      DeletionPolicy: 'Retain',
      Properties: {
        UserPoolTier: 'ESSENTIALS',
        AdminCreateUserConfig: { AllowAdminCreateUserOnly: true },
        DeletionProtection: 'ACTIVE',
        MfaConfiguration: 'OPTIONAL',
        EnabledMfas: ['SOFTWARE_TOKEN_MFA'],
        Policies: { PasswordPolicy: { MinimumLength: 12, RequireNumbers: true, TemporaryPasswordValidityDays: 7 } },
        UsernameConfiguration: { CaseSensitive: false },
      },
    });
  });

  test('its client has no secret, takes no password in the clear, and does not tell who exists', () => {
    const client = stack.one('AWS::Cognito::UserPoolClient');

    expect(client).toMatchObject({ GenerateSecret: false, PreventUserExistenceErrors: 'ENABLED', IdTokenValidity: 60 });
    expect([...(client['ExplicitAuthFlows'] as string[])].sort()).toEqual([
      'ALLOW_ADMIN_USER_PASSWORD_AUTH',
      'ALLOW_REFRESH_TOKEN_AUTH',
      'ALLOW_USER_SRP_AUTH',
    ]);
  });

  test('its groups are ArchivesSpace’s, and the service takes its tokens by them', () => {
    const names = stack.all('AWS::Cognito::UserPoolGroup').map(([, { Properties }]) => Properties['GroupName']);
    const given = oidcOf(stack, 'ApiRead');

    expect(names.sort()).toEqual(Object.keys(defaultGroups).sort());
    expect(given).toMatchObject({
      OIDC_AUDIENCE: { Ref: expect.stringMatching(/^PeopleJobs/) },
      OIDC_USERNAME_CLAIM: 'cognito:username',
      OIDC_GROUPS_CLAIM: 'cognito:groups',
    });
    expect(JSON.stringify(given['OIDC_ISSUER'])).toMatch(/ProviderURL|cognito-idp/);
    expect(JSON.parse(String(given['OIDC_GROUPS']))).toMatchObject({
      'repository-viewers': { _archivesspace: ['repository-viewers'] },
    });
    for (const id of api) expect(oidcOf(stack, id)).toEqual(given);
    expect(invoking(stack)).toEqual([]);
  });

  test('the outputs name the issuer and the client, and the synth says so', () => {
    expect(stack.outputs).toEqual(expect.arrayContaining(['OidcIssuer', 'OidcClientId']));
    expect(stack.warnings).toEqual([expect.stringContaining('a user pool that the stack makes (docs/sign-in.md)')]);
  });

  test('the pool’s groups are the site’s where it names some', async () => {
    const named = await synthesize({ oidc_groups: groups });
    const names = named.all('AWS::Cognito::UserPoolGroup').map(([, { Properties }]) => Properties['GroupName']);

    expect(names.sort()).toEqual(['it', 'staff']);
  });
});

test('with an ArchivesSpace alone no token is taken, and there is no user pool', async () => {
  const stack = await synthesize(archivesspace);

  for (const id of [...api, 'Session']) expect(new Set(Object.values(oidcOf(stack, id)))).toEqual(new Set(['']));
  for (const id of api) expect(environment(stack, id)).toMatchObject({ SESSION_FUNCTION: '' });
  expect(stack.all('AWS::Cognito::UserPool')).toEqual([]);
  expect(invoking(stack)).toEqual([]);
  expect(stack.warnings).toEqual([]);
});

test('with an issuer alone its tokens are taken, and there is no user pool', async () => {
  const stack = await synthesize({ ...issuer, oidc_groups: JSON.stringify(groups) });

  for (const id of api) {
    expect(environment(stack, id)).toMatchObject({
      OIDC_ISSUER: issuer.oidc_issuer,
      OIDC_AUDIENCE: 'jobs',
      OIDC_USERNAME_CLAIM: 'sub',
      OIDC_GROUPS_CLAIM: 'groups',
      SESSION_FUNCTION: '',
    });
  }
  expect(stack.all('AWS::Cognito::UserPool')).toEqual([]);
  expect(stack.outputs).not.toContain('OidcIssuer');
  expect(stack.warnings).toEqual([expect.stringContaining('what people may do is in oidc_groups')]);
});

test('with both, the API and nobody else may ask the session function what people may do', async () => {
  const stack = await synthesize({ ...archivesspace, ...issuer, oidc_username_claim: 'preferred_username' });

  for (const id of api) {
    expect(environment(stack, id)).toMatchObject({ SESSION_FUNCTION: { Ref: expect.stringMatching(/^Session/) } });
  }
  expect(oidcOf(stack, 'Session')).toEqual(oidcOf(stack, 'ApiRead'));
  expect(invoking(stack)).toEqual(api);
  expect(statementsOf(stack, 'SessionRole').flatMap(({ actions }) => actions)).not.toContain('lambda:InvokeFunction');
});

test('logins have a throttle of their own', async () => {
  const stack = await synthesize(archivesspace);
  const [[, stage] = []] = stack.all('AWS::ApiGatewayV2::Stage');
  const [login = ''] = stack
    .all('AWS::ApiGatewayV2::Route')
    .filter(([, { Properties }]) => Properties['RouteKey'] === 'POST /users/{username}/login')
    .map(([id]) => id);

  expect(stage?.Properties['RouteSettings']).toEqual({
    'POST /users/{username}/login': { ThrottlingRateLimit: 5, ThrottlingBurstLimit: 20 },
  });
  expect(stage?.DependsOn).toContain(login);
  expect(plain(login)).toMatch(/login/);
});

describe('settings', () => {
  test('groups are read with one permission or several, from text or values', () => {
    const read = readSettings({ ...issuer, oidc_groups: JSON.stringify(groups) });

    expect(read.oidc).toEqual({
      issuer: issuer.oidc_issuer,
      audience: 'jobs',
      usernameClaim: 'sub',
      groupsClaim: 'groups',
      groups: { staff: { '/repositories/2': ['repository-archivists'] }, it: { _archivesspace: ['administrators'] } },
    });
    expect(readSettings({ ...issuer, oidc_groups: groups })).toEqual(read);
  });

  test('the issuer is kept letter by letter, for its tokens repeat it so', () => {
    const read = (url: string) => readSettings({ ...issuer, oidc_issuer: url, oidc_groups: groups }).oidc?.issuer;

    expect(read('https://tenant.example.org/')).toBe('https://tenant.example.org/');
    expect(read('https://tenant.example.org')).toBe('https://tenant.example.org');
    expect(read('http://127.0.0.1:9000')).toBe('http://127.0.0.1:9000');
  });

  test.each<[what: string, context: Record<string, unknown>, message: string]>([
    ['an issuer without TLS', { oidc_issuer: 'http://login.example.org' }, 'oidc_issuer must begin with https:'],
    ['an issuer that is no URL', { oidc_issuer: 'login' }, 'oidc_issuer must be the URL of an OpenID Connect issuer'],
    [
      'an issuer without an audience',
      { oidc_issuer: 'https://a.example', oidc_groups: groups },
      'oidc_audience must be set',
    ],
    ['an issuer without groups', issuer, 'oidc_groups must be set where oidc_issuer is and archivesspace_url is not'],
    [
      'an issuer beside an ArchivesSpace without its user and a claim',
      { ...issuer, archivesspace_url: 'https://archives.example.org' },
      'oidc_username_claim and archivesspace_secret_arn must be set',
    ],
    ['groups beside an ArchivesSpace', { ...archivesspace, oidc_groups: groups }, 'oidc_groups means nothing beside'],
    ['an audience without an issuer', { oidc_audience: 'jobs' }, 'oidc_audience means nothing without oidc_issuer'],
    [
      'a group that ArchivesSpace does not have',
      { oidc_groups: { a: { '/repositories/2': 'archivists' } } },
      'oidc_groups must be a JSON object',
    ],
    [
      'a place that is no repository',
      { oidc_groups: { a: { '2': 'repository-viewers' } } },
      'oidc_groups must be a JSON object',
    ],
    [
      'a group that may nothing',
      { oidc_groups: { a: { '/repositories/2': [] } } },
      'oidc_groups must be a JSON object',
    ],
    ['no group at all', { oidc_groups: '{}' }, 'oidc_groups must be a JSON object'],
    [
      'more groups than an environment holds',
      { oidc_groups: Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`group-${n}`, groups.staff])) },
      'oidc_groups must be a JSON object of at most 2 KB',
    ],
    [
      'a claim with a space',
      { ...issuer, oidc_groups: groups, oidc_username_claim: 'a b' },
      'oidc_username_claim must be',
    ],
  ])('%s is refused and says why', (_, context, message) => {
    expect(() => readSettings(context)).toThrow(message);
  });
});
