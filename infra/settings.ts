// The settings of a deployment, from CDK context: cdk.json, or `-c name=value`, which gives strings.
import { type GroupGrants, isGrant } from '../core/default-groups.ts';
import { maxThreadCount } from '../core/limits.ts';
import { isObject } from '../core/type-options.ts';
import type { TypeOptions } from '../schemas/runner-manifest.ts';
import { isStage, stageRule } from './exports.ts';

export interface VpcSettings {
  readonly id: string;
  readonly availabilityZones: readonly string[];
  readonly privateSubnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
}

export interface OidcSettings {
  /** As its tokens call it: what stands in their claim `iss`. */
  readonly issuer: string;
  /** What stands in their claim `aud`. */
  readonly audience: string;
  /** Names a user, who must not be able to choose it. With an ArchivesSpace it is the username there. @default 'sub' */
  readonly usernameClaim: string;
  /** @default 'groups' */
  readonly groupsClaim: string;
  readonly groups: GroupGrants;
}

export interface Settings {
  /** How many jobs run at once. 0 stands still, for maintenance. @default 2 */
  readonly jobThreadCount: number;
  /** Reserve as many dispatchers. An account whose concurrency quota is 10 cannot reserve any. @default true */
  readonly dispatcherReservedConcurrency: boolean;
  /** The ArchivesSpace backend, without a slash at its end. */
  readonly archivesspaceUrl: string | undefined;
  /** ArchivesSpace's staff interface, where the page's links to records go, without a slash at its end. */
  readonly staffUrl: string | undefined;
  /** A page for staff, at an edge in front of the API. @default true */
  readonly page: boolean;
  /** Secret with the service user's name and password. */
  readonly archivesspaceSecretArn: string | undefined;
  /** Whose tokens are taken, from the settings oidc_…; undefined without `oidc_issuer`. */
  readonly oidc: OidcSettings | undefined;
  /** What groups may, where no ArchivesSpace says it. */
  readonly oidcGroups: GroupGrants | undefined;
  /** For a backend that is not public. By attributes, never looked up, so that synth needs no account. */
  readonly vpc: VpcSettings | undefined;
  /** Names of folders below plugins/, or paths of folders. @default none */
  readonly plugins: readonly string[];
  /**
   * Which of ArchivesSpace's own types are handed to it (runners/archivesspace); none leaves the runner out. Without an
   * ArchivesSpace there are none. @default all
   */
  readonly delegatedTypes: readonly string[] | undefined;
  /** What this site changes of its types' options, by type. `collect` checks the options. */
  readonly typeOptions: Readonly<Record<string, TypeOptions>>;
  /** Part of every name that is fixed, so that several deployments fit into one account. @default 'prod' */
  readonly stage: string;
  /** @default 30 */
  readonly logRetentionDays: number;
}

/** CloudWatch Logs keeps events for one of these numbers of days (PutRetentionPolicy). */
const retentionDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]']);

/** What is wrong with one setting, and how to put it right. */
class Wrong extends Error {}

/**
 * Reads and checks every setting. Throws one error that lists all that is wrong; each line names the setting and
 * what it may be.
 *
 * @param context all of the app's context
 */
export function readSettings(context: Readonly<Record<string, unknown>>): Settings {
  const problems: string[] = [];
  const read = <T>(name: string, standard: T, parse: (value: unknown) => T): T => {
    const value = context[name];
    if (value === undefined || value === null || value === '') return standard;
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      // What was given may hold a password, by mistake.
      const isPrivate = name === 'archivesspace_secret_arn' || String(value).includes('@');
      problems.push(`${name} ${error.message}${isPrivate ? '' : `, not ${JSON.stringify(value)}`}.`);
      return standard;
    }
  };
  const vpc = read('vpc', undefined, parseVpc);
  const archivesspaceUrl = read<string | undefined>('archivesspace_url', undefined, (value) =>
    parseBackendUrl(value, vpc !== undefined),
  );
  const archivesspaceSecretArn = read('archivesspace_secret_arn', undefined, parseSecretArn);
  const oidcGroups = read<GroupGrants | undefined>('oidc_groups', undefined, parseGroups);
  const issuer = read('oidc_issuer', '', parseIssuer);
  const oidc: OidcSettings | undefined = issuer
    ? {
        issuer,
        audience: read('oidc_audience', '', parseName),
        usernameClaim: read('oidc_username_claim', 'sub', parseName),
        groupsClaim: read('oidc_groups_claim', 'groups', parseName),
        groups: oidcGroups ?? {},
      }
    : undefined;
  const given = (name: string) => context[name] !== undefined && context[name] !== '';
  if (given('oidc_issuer')) {
    // A token for another application of the same issuer would be as good as one for this service.
    if (!given('oidc_audience')) problems.push('oidc_audience must be set beside oidc_issuer.');
    if (given('archivesspace_url')) {
      const needed = ['oidc_username_claim', 'archivesspace_secret_arn'].filter((name) => !given(name));
      if (needed.length) {
        problems.push(
          `${needed.join(' and ')} must be set where oidc_issuer and archivesspace_url are: ` +
            'the claim is the username in ArchivesSpace, and the service user asks what that user may do.',
        );
      }
    } else if (!given('oidc_groups')) {
      problems.push(
        'oidc_groups must be set where oidc_issuer is and archivesspace_url is not: nobody could do anything.',
      );
    }
  } else {
    const idle = ['oidc_audience', 'oidc_username_claim', 'oidc_groups_claim'].filter(given);
    if (idle.length) problems.push(`${idle.join(' and ')} means nothing without oidc_issuer.`);
  }
  if (given('oidc_groups') && given('archivesspace_url')) {
    problems.push('oidc_groups means nothing beside archivesspace_url: ArchivesSpace says what its users may do.');
  }
  const settings: Settings = {
    jobThreadCount: read('job_thread_count', 2, parseThreadCount),
    dispatcherReservedConcurrency: read('dispatcher_reserved_concurrency', true, parseSwitch),
    archivesspaceUrl,
    archivesspaceSecretArn,
    page: read('page', true, parseSwitch),
    staffUrl: read<string | undefined>('staff_url', undefined, parseStaffUrl),
    oidc,
    oidcGroups,
    vpc,
    plugins: read('plugins', [], parseList),
    delegatedTypes: read('delegated_types', undefined, parseDelegatedTypes),
    typeOptions: read('type_options', {}, parseTypeOptions),
    stage: read('stage', 'prod', parseStage),
    logRetentionDays: read('log_retention_days', 30, parseRetention),
  };
  problems.push(...misspelt(context));
  if (problems.length) throw new Error(`Settings (CDK context) that cannot be used:\n- ${problems.join('\n- ')}`);
  return settings;
}

const settingNames = [
  'job_thread_count',
  'dispatcher_reserved_concurrency',
  'archivesspace_url',
  'archivesspace_secret_arn',
  'staff_url',
  'page',
  'oidc_issuer',
  'oidc_audience',
  'oidc_username_claim',
  'oidc_groups_claim',
  'oidc_groups',
  'vpc',
  'plugins',
  'delegated_types',
  'type_options',
  'stage',
  'log_retention_days',
];

/** CDK's own context and that of other tools has colons, dashes or an @ in its names: what looks like ours has to be ours. */
function misspelt(context: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys(context)
    .filter((name) => /^[a-z]+(_[a-z]+)+$/.test(name) && !settingNames.includes(name))
    .map((name) => `${name} is not a setting. Known are ${settingNames.join(', ')}.`);
}

function parseThreadCount(value: unknown): number {
  const count = wholeNumber(value);
  if (count === undefined || count > maxThreadCount) {
    throw new Wrong(`must be a whole number from 0 (no job starts) to ${maxThreadCount}`);
  }
  return count;
}

function parseRetention(value: unknown): number {
  const days = wholeNumber(value);
  if (days === undefined || !retentionDays.includes(days))
    throw new Wrong(`must be one of ${retentionDays.join(', ')}`);
  return days;
}

function parseSwitch(value: unknown): boolean {
  if (value === true || value === 'on' || value === 'true') return true;
  if (value === false || value === 'off' || value === 'false') return false;
  throw new Wrong('must be on or off');
}

function parseStage(value: unknown): string {
  if (isStage(value)) return value;
  throw new Wrong(stageRule);
}

function parseSecretArn(value: unknown): string {
  if (typeof value === 'string' && /^arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:.+$/.test(value)) return value;
  throw new Wrong('must be the ARN of a secret in Secrets Manager (arn:aws:secretsmanager:…:secret:…)');
}

function parseBackendUrl(value: unknown, hasVpc: boolean): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    throw new Wrong('must be the URL of an ArchivesSpace backend, such as https://archives.example.org/api');
  }
  // Session headers and passwords would cross the internet readably.
  if (url.protocol === 'http:' && !hasVpc && !loopbackHosts.has(url.hostname)) {
    throw new Wrong('must begin with https:, or the setting vpc must say in which network the backend is');
  }
  return url.href.replace(/\/+$/, '');
}

function parseStaffUrl(value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    throw new Wrong("must be the URL of ArchivesSpace's staff interface, such as https://archives.example.org/staff");
  }
  return url.href.replace(/\/+$/, '');
}

function parseIssuer(value: unknown): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (!url || url.username || url.search || url.hash || !/^https?:$/.test(url.protocol)) {
    throw new Wrong('must be the URL of an OpenID Connect issuer, such as https://login.example.org/realms/staff');
  }
  // Its keys are worth what the connection is that they come over.
  if (url.protocol === 'http:' && !loopbackHosts.has(url.hostname)) throw new Wrong('must begin with https:');
  // As it was written: tokens repeat it letter by letter, with or without a slash at its end.
  return value as string;
}

function parseName(value: unknown): string {
  if (typeof value === 'string' && /^[\x21-\x7e]{1,255}$/.test(value)) return value;
  throw new Wrong('must be up to 255 printable characters without spaces');
}

/** The environment of a function has 4 KB in all. */
const maxGroupsBytes = 2_048;

function parseGroups(value: unknown): GroupGrants {
  const shape =
    'must be a JSON object of at most 2 KB: {"<group of the issuer>": {"/repositories/2": "repository-archivists"}, …}, ' +
    'with _archivesspace in place of a repository for all of them, ' +
    'and a default group of ArchivesSpace, a permission code or a list of these';
  const given = parseJson(value);
  if (!isObject(given)) throw new Wrong(shape);
  const groups = Object.entries(given).map(([group, places]) => {
    if (!isObject(places)) throw new Wrong(shape);
    const grants = Object.entries(places).map(([place, names]) => {
      const list: unknown[] = Array.isArray(names) ? names : [names];
      const isPlace = place === '_archivesspace' || /^\/repositories\/[1-9]\d*$/.test(place);
      const isList = list.length > 0 && list.every((name): name is string => typeof name === 'string' && isGrant(name));
      if (!isPlace || !isList) throw new Wrong(shape);
      return [place, list] as const;
    });
    return [group, Object.fromEntries(grants)] as const;
  });
  const grants = Object.fromEntries(groups);
  if (groups.length === 0 || Buffer.byteLength(JSON.stringify(grants)) > maxGroupsBytes) throw new Wrong(shape);
  return grants;
}

function parseVpc(value: unknown): VpcSettings {
  const shape =
    'must be a JSON object {"id": "vpc-…", "availability_zones": […], "private_subnet_ids": […], "security_group_ids": […]} ' +
    'with at least one of each, and a subnet for each zone';
  const given = parseJson(value);
  if (!isObject(given)) throw new Wrong(shape);
  const { id, availability_zones, private_subnet_ids, security_group_ids, ...rest } = given as Record<string, unknown>;
  const lists = [availability_zones, private_subnet_ids, security_group_ids];
  if (typeof id !== 'string' || !lists.every(isNames) || Object.keys(rest).length > 0) throw new Wrong(shape);
  const [availabilityZones, privateSubnetIds, securityGroupIds] = lists as [string[], string[], string[]];
  if (availabilityZones.length !== privateSubnetIds.length) throw new Wrong(shape);
  return { id, availabilityZones, privateSubnetIds, securityGroupIds };
}

function parseList(value: unknown): readonly string[] {
  const given = typeof value === 'string' && !value.trim().startsWith('[') ? value.split(',') : parseJson(value);
  if (!Array.isArray(given) || !given.every((entry) => typeof entry === 'string')) {
    throw new Wrong('must be a comma-separated list or a JSON array of plugin folders');
  }
  return given.map((entry: string) => entry.trim()).filter(Boolean);
}

function parseDelegatedTypes(value: unknown): readonly string[] | undefined {
  if (value === 'all') return undefined;
  if (value === 'none') return [];
  const given = typeof value === 'string' && !value.trim().startsWith('[') ? value.split(',') : parseJson(value);
  if (!Array.isArray(given) || !given.every((entry) => typeof entry === 'string'))
    throw new Wrong('must be all, none, or a comma-separated list or JSON array of job types');
  return given.map((entry: string) => entry.trim()).filter(Boolean);
}

function parseTypeOptions(value: unknown): Readonly<Record<string, TypeOptions>> {
  const given = parseJson(value);
  if (!isObject(given) || !Object.values(given).every(isObject)) {
    throw new Wrong('must be a JSON object of options by job type, such as {"import_job": {"hidden": true}}');
  }
  return given as Readonly<Record<string, TypeOptions>>;
}

const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every((entry) => typeof entry === 'string' && entry !== '');

function wholeNumber(value: unknown): number | undefined {
  return /^\d{1,9}$/.test(String(value)) ? Number(value) : undefined;
}

/** cdk.json gives values, the command line gives their JSON text. */
function parseJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
