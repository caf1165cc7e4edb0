// A synthesized cloud assembly: its one stack, the template, and CloudFormation's references and functions.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
  readonly DependsOn?: string | readonly string[];
  readonly Condition?: string;
  readonly DeletionPolicy?: string;
  readonly Metadata?: Readonly<Record<string, unknown>>;
}

export interface Output {
  readonly Value: unknown;
  readonly Condition?: string;
  /** Under which name other stacks import the value. */
  readonly Export?: { readonly Name: unknown };
}

export interface Template {
  readonly Parameters?: Readonly<Record<string, { readonly Type: string; readonly Default?: unknown }>>;
  readonly Conditions?: Readonly<Record<string, unknown>>;
  readonly Mappings?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>;
  readonly Resources: Readonly<Record<string, TemplateResource>>;
  readonly Outputs?: Readonly<Record<string, Output>>;
}

export interface StackIdentity {
  readonly stackName: string;
  readonly region: string;
  readonly accountId: string;
  /** It was started first, and is the one whose API is served. */
  readonly isMain: boolean;
}

export interface Assembly extends StackIdentity {
  readonly template: Template;
  /** The directory of an asset, by the object key that a function's code names. */
  readonly assets: ReadonlyMap<string, string>;
}

/** What a resource became: the value of Ref, and its attributes. */
export interface Provided {
  readonly ref: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

const unknownRegion = 'unknown-region';
const localRegion = 'us-east-1';
/** The emulators know one account. */
const localAccount = '000000000000';

interface Manifest {
  readonly artifacts: Readonly<
    Record<
      string,
      {
        readonly type: string;
        readonly environment?: string;
        readonly properties?: { readonly templateFile?: string; readonly stackName?: string; readonly file?: string };
      }
    >
  >;
}

interface AssetManifest {
  readonly files?: Readonly<
    Record<
      string,
      {
        readonly source: { readonly path?: string };
        readonly destinations: Readonly<Record<string, { readonly objectKey: string }>>;
      }
    >
  >;
}

/** Reads `cdk.out`. @throws when it is none, or holds more or less than one stack. */
export function readAssembly(dir: string, isMain = true): Assembly {
  const manifest = join(dir, 'manifest.json');
  if (!existsSync(manifest)) throw new Error(`${dir} is not a cloud assembly: it has no manifest.json.`);
  const artifacts = Object.entries(readJson<Manifest>(manifest).artifacts);
  const stacks = artifacts.filter(([, { type }]) => type === 'aws:cloudformation:stack');
  const [stack] = stacks;
  if (!stack || stacks.length > 1) {
    const names = stacks.map(([name]) => name).join(', ') || 'none';
    throw new Error(`The local stack runs an assembly of one stack; ${dir} has: ${names}.`);
  }
  const [name, { environment = '', properties = {} }] = stack;
  const region = /^aws:\/\/[^/]+\/(.+)$/.exec(environment)?.[1] ?? unknownRegion;
  const assets = new Map<string, string>();
  for (const [, artifact] of artifacts) {
    if (artifact.type !== 'cdk:asset-manifest' || !artifact.properties?.file) continue;
    for (const { source, destinations } of Object.values(
      readJson<AssetManifest>(join(dir, artifact.properties.file)).files ?? {},
    )) {
      if (source.path === undefined) continue;
      for (const { objectKey } of Object.values(destinations)) assets.set(objectKey, join(dir, source.path));
    }
  }
  return {
    stackName: properties.stackName ?? name,
    region: region === unknownRegion ? localRegion : region,
    accountId: localAccount,
    isMain,
    template: readJson<Template>(join(dir, properties.templateFile ?? `${name}.template.json`)),
    assets,
  };
}

/** The identity of a stack's CloudFormation resource. */
export function stackId({ region, accountId, stackName }: StackIdentity): string {
  return `arn:aws:cloudformation:${region}:${accountId}:stack/${stackName}/00000000-0000-0000-0000-000000000000`;
}

/** Names a resource across stacks, in what is kept. The main stack may be called differently next time. */
export const resourceKey = ({ stackName, isMain }: StackIdentity, logicalId: string): string =>
  isMain ? logicalId : `${stackName}/${logicalId}`;

export const isOfStack = ({ stackName, isMain }: StackIdentity, key: string): boolean =>
  isMain ? !key.includes('/') : key.startsWith(`${stackName}/`);

const noValue = Symbol('AWS::NoValue');

/** Resolves values of one template against what has been provided so far. */
export class Resolver {
  readonly #template: Template;
  readonly #pseudo: Readonly<Record<string, unknown>>;
  readonly #provided: ReadonlyMap<string, Provided>;
  readonly #rewrite: (text: string) => string;
  readonly #exports: ReadonlyMap<string, string>;

  /**
   * @param rewrite is applied to each text that was put together from parts, such as an API's address.
   * @param exports of the other stacks, by name
   */
  constructor(
    assembly: Assembly,
    provided: ReadonlyMap<string, Provided>,
    rewrite = (text: string) => text,
    exports: ReadonlyMap<string, string> = new Map(),
  ) {
    this.#template = assembly.template;
    this.#provided = provided;
    this.#rewrite = rewrite;
    this.#exports = exports;
    this.#pseudo = {
      'AWS::AccountId': assembly.accountId,
      'AWS::NoValue': noValue,
      'AWS::NotificationARNs': [],
      'AWS::Partition': 'aws',
      'AWS::Region': assembly.region,
      'AWS::StackId': stackId(assembly),
      'AWS::StackName': assembly.stackName,
      'AWS::URLSuffix': 'amazonaws.com',
    };
  }

  /** @throws on a function or a reference that it does not know. */
  resolve(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.resolve(item)).filter((item) => item !== noValue);
    if (typeof value !== 'object' || value === null) return value;
    const [first, ...more] = Object.entries(value);
    if (first && more.length === 0 && (first[0] === 'Ref' || first[0].startsWith('Fn::'))) {
      return this.#call(first[0], first[1]);
    }
    const resolved = Object.entries(value).map(([key, inner]) => [key, this.resolve(inner)] as const);
    return Object.fromEntries(resolved.filter(([, inner]) => inner !== noValue));
  }

  /** Whether a resource or an output under this condition is made. */
  holds(condition: string | undefined): boolean {
    if (condition === undefined) return true;
    const value = this.#template.Conditions?.[condition];
    if (value === undefined) throw new Error(`The template has no condition ${condition}.`);
    return this.#test(value);
  }

  #test(value: unknown): boolean {
    if (typeof value === 'object' && value !== null && 'Condition' in value) return this.holds(String(value.Condition));
    return this.resolve(value) === true;
  }

  #call(name: string, argument: unknown): unknown {
    switch (name) {
      case 'Ref':
        return this.#ref(String(argument));
      case 'Fn::GetAtt': {
        const [id, ...attribute] = Array.isArray(argument) ? argument.map(String) : String(argument).split('.');
        return this.#attribute(id ?? '', attribute.join('.'));
      }
      case 'Fn::Join': {
        const [separator, parts] = argument as [string, unknown];
        return this.#rewrite((this.resolve(parts) as unknown[]).map(String).join(separator));
      }
      case 'Fn::Sub':
        return this.#rewrite(this.#substitute(argument));
      case 'Fn::Select': {
        const [index, list] = this.resolve(argument) as [unknown, unknown[]];
        return list[Number(index)];
      }
      case 'Fn::Split': {
        const [separator, text] = this.resolve(argument) as [string, unknown];
        return String(text).split(separator);
      }
      case 'Fn::Base64':
        return Buffer.from(String(this.resolve(argument))).toString('base64');
      case 'Fn::FindInMap': {
        const [map, first, second] = this.resolve(argument) as [string, string, string];
        const found = this.#template.Mappings?.[map]?.[first]?.[second];
        if (found === undefined) throw new Error(`Fn::FindInMap: there is no ${map}.${first}.${second}.`);
        return found;
      }
      case 'Fn::ImportValue': {
        const exported = String(this.resolve(argument));
        const value = this.#exports.get(exported);
        if (value !== undefined) return value;
        const known = [...this.#exports.keys()].join(', ') || 'nothing';
        throw new Error(
          `Fn::ImportValue: no stack that was started before this one exports ${exported}. Exported is ${known}.`,
        );
      }
      case 'Fn::If': {
        const [condition, then, otherwise] = argument as [string, unknown, unknown];
        return this.resolve(this.holds(condition) ? then : otherwise);
      }
      case 'Fn::Equals': {
        const [left, right] = this.resolve(argument) as [unknown, unknown];
        return JSON.stringify(left) === JSON.stringify(right);
      }
      case 'Fn::And':
        return (argument as unknown[]).every((one) => this.#test(one));
      case 'Fn::Or':
        return (argument as unknown[]).some((one) => this.#test(one));
      case 'Fn::Not':
        return !(argument as unknown[]).some((one) => this.#test(one));
      default:
        throw new Error(`The local stack does not know ${name}.`);
    }
  }

  #ref(id: string): unknown {
    if (id in this.#pseudo) return this.#pseudo[id];
    const parameter = this.#template.Parameters?.[id];
    if (parameter) {
      if (parameter.Default === undefined) throw new Error(`Parameter ${id} has no default.`);
      return parameter.Default;
    }
    return this.#find(id).ref;
  }

  #attribute(id: string, attribute: string): unknown {
    const { attributes } = this.#find(id);
    const type = this.#template.Resources[id]?.Type;
    if (!(attribute in attributes)) throw new Error(`${id} (${type}) has no attribute ${attribute} locally.`);
    return attributes[attribute];
  }

  #find(id: string): Provided {
    const provided = this.#provided.get(id);
    if (!provided) throw new Error(`${id} is referred to, but the template has no such resource or it is not made.`);
    return provided;
  }

  #substitute(argument: unknown): string {
    const [text, variables = {}] = (Array.isArray(argument) ? argument : [argument]) as [string, object?];
    const given = variables as Readonly<Record<string, unknown>>;
    return text.replace(/\$\{(!?)([^}]+)\}/g, (_, literal: string, name: string) => {
      if (literal) return `\${${name}}`;
      if (name in given) return String(this.resolve(given[name]));
      const [id = '', ...attribute] = name.split('.');
      return String(attribute.length > 0 ? this.#attribute(id, attribute.join('.')) : this.#ref(id));
    });
  }
}

/** Logical ids so ordered that each resource comes after those it refers to. @throws on a circle. */
export function inDependencyOrder(resources: Readonly<Record<string, TemplateResource>>): string[] {
  const ordered: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (id: string, path: readonly string[]): void => {
    if (state.get(id) === 'done') return;
    if (state.get(id) === 'open')
      throw new Error(`Resources refer to each other in a circle: ${[...path, id].join(' → ')}.`);
    const resource = resources[id];
    if (!resource) return;
    state.set(id, 'open');
    for (const other of [...references(resource.Properties), ...[resource.DependsOn ?? []].flat()]) {
      if (other in resources) visit(other, [...path, id]);
    }
    state.set(id, 'done');
    ordered.push(id);
  };
  for (const id of Object.keys(resources)) visit(id, []);
  return ordered;
}

function references(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(references);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (key === 'Ref') return [String(inner)];
    if (key === 'Fn::GetAtt') return [Array.isArray(inner) ? String(inner[0]) : (String(inner).split('.')[0] ?? '')];
    if (key !== 'Fn::Sub') return references(inner);
    const [text, variables] = (Array.isArray(inner) ? inner : [inner]) as [string, unknown];
    const names = [...text.matchAll(/\$\{([^!}][^}]*)\}/g)].map(([, name = '']) => name.split('.')[0] ?? '');
    return [...names, ...references(variables)];
  });
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}
