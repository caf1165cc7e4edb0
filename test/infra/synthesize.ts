import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { App } from 'aws-cdk-lib';
import { buildApp } from '../../infra/stack.ts';

export interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
  readonly DeletionPolicy?: string;
  readonly DependsOn?: readonly string[];
}

export interface Synthesized {
  readonly text: string;
  readonly outputs: readonly string[];
  readonly warnings: readonly string[];
  /** The resources of a type, by logical id. */
  all(type: string): readonly (readonly [id: string, resource: Resource])[];
  /** The properties of the one resource of a type whose logical id begins so. */
  one(type: string, id?: string): Resource['Properties'];
}

/** Synthesizes the service's template, without bundling any code. */
export async function synthesize(context: Readonly<Record<string, unknown>>): Promise<Synthesized> {
  const folder = mkdtempSync(join(tmpdir(), 'synthesized-'));
  try {
    return synthesized(await buildApp({ 'aws:cdk:bundling-stacks': [], ...context }, folder), 'BackgroundJobs');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The template of one of an app's stacks. */
export function synthesized(app: App, stackId: string): Synthesized {
  const artifact = app.synth().getStackArtifact(stackId);
  const { Resources, Outputs = {} } = artifact.template as {
    Resources: Record<string, Resource>;
    Outputs?: Record<string, unknown>;
  };
  const all: Synthesized['all'] = (type) => Object.entries(Resources).filter(([, { Type }]) => Type === type);
  return {
    text: JSON.stringify(artifact.template),
    outputs: Object.keys(Outputs),
    warnings: artifact.messages.filter(({ level }) => level === 'warning').map(({ entry }) => String(entry.data)),
    all,
    one(type, start = '') {
      const [found, ...more] = all(type).filter(([id]) => id.startsWith(start));
      if (!found || more.length) throw new Error(`Not one resource of type ${type} begins with ${start}.`);
      return found[1].Properties;
    },
  };
}

/** What stands at a path in a template; undefined where the path ends early. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], value);
}

/** A logical id without CDK's hash. */
export const plain = (logicalId: string) => logicalId.replace(/[0-9A-F]{8}$/, '');
