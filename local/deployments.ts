// The stacks as they are made, and brought up to date while they run: what CloudFormation does with a template.
import type { CustomResources } from './custom-resources.ts';
import { parseFunctionName } from './lambda/lambdas.ts';
import { isDeployable, makeResource, type Workshop } from './resources.ts';
import {
  type Assembly,
  inDependencyOrder,
  isOfStack,
  type Provided,
  Resolver,
  type TemplateResource,
} from './template.ts';

/** A stack that is there. */
interface Deployment {
  readonly assembly: Assembly;
  readonly made: ReadonlyMap<string, Made>;
  readonly outputs: Readonly<Record<string, string>>;
  /** Logical id → physical id. */
  readonly resources: Readonly<Record<string, string>>;
  readonly exports: ReadonlyMap<string, string>;
}

interface Made {
  readonly type: string;
  /** Resolved, as JSON. */
  readonly properties: string;
  readonly provided: Provided;
}

export interface Deployments {
  /** Makes a stack. @throws when something cannot be made; what was made stays */
  make(assembly: Assembly): Promise<void>;
  /**
   * Brings a stack that was made up to date.
   * @returns the logical ids of what is new, changed or gone
   * @throws when something cannot be made, or only by a restart; the stack is as it was before, then
   */
  change(assembly: Assembly): Promise<readonly string[]>;
  /** Forgets what earlier starts made of stacks and functions that are not among these. */
  keepOnlyThese(): Promise<void>;
  of(stackName: string): Pick<Deployment, 'outputs' | 'resources'>;
}

export function createDeployments(
  common: Omit<Workshop, 'assembly' | 'customResources'>,
  customResources: CustomResources,
): Deployments {
  const { lambdas, versions } = common;
  const deployments = new Map<string, Deployment>();

  /** Of the stacks that were made before this one. */
  function exportsFor({ stackName }: Assembly): ReadonlyMap<string, string> {
    const others = [...deployments.values()];
    const own = others.findIndex(({ assembly }) => assembly.stackName === stackName);
    return new Map((own < 0 ? others : others.slice(0, own)).flatMap(({ exports }) => [...exports]));
  }

  /**
   * @param before what stays as it is: a deploy changes functions, versions and custom resources only
   * @param made filled by what is made, also of a template that fails
   */
  async function apply(
    assembly: Assembly,
    before: Deployment | undefined,
    made = new Map<string, Made>(),
  ): Promise<Deployment> {
    const { Resources } = assembly.template;
    const provided = new Map<string, Provided>();
    const provision = customResources.begin(assembly);
    const shop: Workshop = { ...common, assembly, customResources: provision };
    // CDK puts an API's address together itself, from its id.
    const rewrite = (text: string): string => {
      const { api, apiUrl } = common;
      if (api.id === undefined) return text;
      return text.replaceAll(`https://${api.id}.execute-api.${assembly.region}.amazonaws.com`, apiUrl);
    };
    const resolver = new Resolver(assembly, provided, rewrite, exportsFor(assembly));
    for (const id of inDependencyOrder(Resources)) {
      const resource = Resources[id];
      if (!resource || !resolver.holds(resource.Condition)) continue;
      const { Type: type } = resource;
      const resolved = resolver.resolve(resource.Properties ?? {}) as Record<string, unknown>;
      const properties = JSON.stringify(resolved);
      const standing = before && !isDeployable(type) ? before.made.get(id) : undefined;
      if (standing && standing.properties !== properties) throw needsRestart(assembly, [`${id} (${type})`]);
      const one = standing?.provided ?? (await makeResource(shop, id, resource, resolved));
      provided.set(id, one);
      made.set(id, { type, properties, provided: one });
    }
    const deployment = { assembly, made, ...readOutputs(assembly, resolver), resources: physicalIds(provided) };
    refuseDoubleExports(deployment);
    await provision.cleanUp();
    removeVersions(assembly, made);
    return deployment;
  }

  function refuseDoubleExports({ assembly: { stackName }, exports }: Deployment): void {
    for (const [other, standing] of deployments) {
      if (other === stackName) continue;
      for (const exported of exports.keys())
        if (standing.exports.has(exported))
          throw new Error(`${other} and ${stackName} both export ${exported}. Rename one of them.`);
    }
  }

  /** Those whose resource is gone, where their template has not asked to retain them. */
  function removeVersions(assembly: Assembly, made: ReadonlyMap<string, Made>): void {
    for (const { resource, functionName, number } of versions.owners()) {
      const logicalId = resource.slice(resource.indexOf('/') + 1);
      if (isOfStack(assembly, resource) && !made.has(logicalId)) versions.remove(functionName, number);
    }
  }

  function settle(deployment: Deployment): void {
    const { assembly, made } = deployment;
    const before = deployments.get(assembly.stackName);
    deployments.set(assembly.stackName, deployment);
    if (before) removeFunctions(before.made, made);
  }

  function removeFunctions(before: ReadonlyMap<string, Made>, now: ReadonlyMap<string, Made>): void {
    const kept = refs(now, functionType);
    for (const name of refs(before, functionType)) {
      if (kept.has(name)) continue;
      lambdas.remove(name);
      versions.forget(name);
    }
  }

  async function change(assembly: Assembly): Promise<readonly string[]> {
    const before = deployments.get(assembly.stackName);
    if (!before) throw new Error(`There is no stack ${assembly.stackName}: the CDK app has renamed it. Start again.`);
    refuseOthers(before.assembly, assembly);
    const published = versions.arns();
    const made = new Map<string, Made>();
    try {
      const deployment = await apply(assembly, before, made);
      settle(deployment);
      return difference(before.made, deployment.made);
    } catch (error) {
      await goBack(before, assembly, made, published, error);
      throw error;
    }
  }

  /** As CloudFormation rolls back: the former template is applied again, which deletes what only the new one made. */
  async function goBack(
    before: Deployment,
    failed: Assembly,
    made: ReadonlyMap<string, Made>,
    published: ReadonlySet<string>,
    why: unknown,
  ): Promise<void> {
    try {
      await apply(before.assembly, before);
    } catch (error) {
      const [first, second] = [why, error].map((one) => (one instanceof Error ? one.message : String(one)));
      throw new Error(`${first}\nGoing back to what ran before failed as well: ${second}\nStart again.`, {
        cause: why,
      });
    }
    for (const [id, { type, provided }] of made) {
      if (type !== versionType || published.has(provided.ref)) continue;
      if (failed.template.Resources[id]?.DeletionPolicy === 'Retain') continue;
      const { name, version } = parseFunctionName(provided.ref);
      versions.remove(name, version);
    }
    removeFunctions(made, before.made);
  }

  return {
    async make(assembly) {
      settle(await apply(assembly, undefined));
    },
    change,
    async keepOnlyThese() {
      await customResources.keepOnly(new Set(deployments.keys()));
      const names = new Set([...deployments.values()].flatMap(({ made }) => [...refs(made, functionType)]));
      for (const arn of versions.arns()) {
        const { name } = parseFunctionName(arn);
        if (!names.has(name)) versions.forget(name);
      }
    },
    of(stackName) {
      const deployment = deployments.get(stackName);
      if (!deployment) throw new Error(`There is no stack ${stackName}.`);
      return deployment;
    },
  };
}

const functionType = 'AWS::Lambda::Function';
const versionType = 'AWS::Lambda::Version';

const refs = (made: ReadonlyMap<string, Made>, wanted: string): ReadonlySet<string> =>
  new Set([...made.values()].flatMap(({ type, provided }) => (type === wanted ? [provided.ref] : [])));

const physicalIds = (provided: ReadonlyMap<string, Provided>): Readonly<Record<string, string>> =>
  Object.fromEntries([...provided].map(([id, { ref }]) => [id, ref]));

function readOutputs({ template }: Assembly, resolver: Resolver): Pick<Deployment, 'outputs' | 'exports'> {
  const outputs: Record<string, string> = {};
  const exports = new Map<string, string>();
  for (const [name, { Value, Condition, Export }] of Object.entries(template.Outputs ?? {})) {
    if (!resolver.holds(Condition)) continue;
    const value = String(resolver.resolve(Value));
    outputs[name] = value;
    if (Export) exports.set(String(resolver.resolve(Export.Name)), value);
  }
  return { outputs, exports };
}

/** Before anything is touched: what only a restart makes. */
function refuseOthers(before: Assembly, now: Assembly): void {
  const text = (resource: TemplateResource | undefined): string | undefined =>
    resource && JSON.stringify([resource.Type, resource.Condition, resource.Properties]);
  const [old, changed] = [before.template.Resources, now.template.Resources];
  const others = [...new Set([...Object.keys(old), ...Object.keys(changed)])].flatMap((id) => {
    const type = (changed[id] ?? old[id])?.Type ?? '';
    return isDeployable(type) || text(old[id]) === text(changed[id]) ? [] : [`${id} (${type})`];
  });
  if (others.length > 0) throw needsRestart(now, others);
}

function needsRestart({ stackName }: Assembly, what: readonly string[]): Error {
  const rule = 'A running stack takes new functions, versions and custom resources only.';
  return new Error(`${stackName} has to be started again for what has changed: ${what.join(', ')}. ${rule}`);
}

function difference(before: ReadonlyMap<string, Made>, now: ReadonlyMap<string, Made>): readonly string[] {
  const ids = new Set([...before.keys(), ...now.keys()]);
  return [...ids].filter((id) => before.get(id)?.properties !== now.get(id)?.properties);
}
