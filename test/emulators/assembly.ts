// Writes small cloud assemblies by hand, in the form that `cdk synth` gives them, and runs them.
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type Stack, type StackOptions, startStack } from '../../local/stack.ts';

export interface AssemblyParts {
  /** Logical id → source of its index.mjs, or the source with more properties. */
  readonly functions?: Readonly<Record<string, string | FunctionParts>>;
  readonly resources?: Readonly<Record<string, object>>;
  /** Values by name. */
  readonly outputs?: Readonly<Record<string, unknown>>;
  /** Values by the name under which other stacks import them. */
  readonly exports?: Readonly<Record<string, unknown>>;
  /** @default Test */
  readonly stackName?: string;
  readonly more?: Readonly<Record<string, unknown>>;
}

interface FunctionParts {
  readonly source: string;
  /** @default index.mjs */
  readonly file?: string;
  readonly isolation?: 'process';
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** A directory that is gone after the test. */
export function scratchDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'stack-test-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Writes an assembly into `dir` and returns `dir`. */
export function writeAssembly(parts: AssemblyParts, dir = scratchDir()): string {
  const files: Record<string, object> = {};
  const functions = Object.entries(parts.functions ?? {}).map(([id, given]) => {
    const {
      source,
      file = 'index.mjs',
      isolation,
      properties = {},
    } = typeof given === 'string' ? { source: given } : (given as FunctionParts);
    // By its content, as CDK does: older code stays where it is.
    const hash = createHash('sha256').update(`${file}\0${source}`).digest('hex');
    mkdirSync(join(dir, `asset.${hash}`), { recursive: true });
    writeFileSync(join(dir, `asset.${hash}`, file), source);
    files[hash] = {
      source: { path: `asset.${hash}`, packaging: 'zip' },
      destinations: { local: { objectKey: `${hash}.zip` } },
    };
    const code = { S3Bucket: { 'Fn::Join': ['-', ['cdk-assets', { Ref: 'AWS::Region' }]] }, S3Key: `${hash}.zip` };
    const tags = isolation ? { Tags: [{ Key: 'local:isolation', Value: isolation }] } : {};
    const common = { Code: code, Handler: 'index.handler', Runtime: 'nodejs24.x', Timeout: 10, MemorySize: 256 };
    return [id, { Type: 'AWS::Lambda::Function', Properties: { FunctionName: id, ...common, ...tags, ...properties } }];
  });
  const template = {
    ...parts.more,
    Resources: { ...Object.fromEntries(functions), ...parts.resources },
    Outputs: Object.fromEntries([
      ...Object.entries(parts.outputs ?? {}).map(([name, Value]) => [name, { Value }] as const),
      ...Object.entries(parts.exports ?? {}).map(
        ([Name, Value], index) => [`Export${index}`, { Value, Export: { Name } }] as const,
      ),
    ]),
  };
  const write = (name: string, content: object): void => writeFileSync(join(dir, name), JSON.stringify(content));
  write('Test.template.json', template);
  write('Test.assets.json', { files });
  write('manifest.json', {
    artifacts: {
      'Test.assets': { type: 'cdk:asset-manifest', properties: { file: 'Test.assets.json' } },
      Test: {
        type: 'aws:cloudformation:stack',
        environment: 'aws://unknown-account/unknown-region',
        properties: { templateFile: 'Test.template.json', stackName: parts.stackName ?? 'Test' },
      },
    },
  });
  return dir;
}

export interface TestStack extends Stack {
  /** Everything that was printed. */
  readonly lines: string[];
  /** Outputs and resources as they are by now. */
  current(): Pick<Stack, 'outputs' | 'resources'>;
}

/** Starts the assembly; it is stopped after the test. */
export async function runAssembly(parts: AssemblyParts, options: Partial<StackOptions> = {}): Promise<TestStack> {
  const lines: string[] = [];
  const stack = await startStack({
    assemblyDir: writeAssembly(parts),
    port: 0,
    log: (line) => lines.push(line),
    ...options,
  });
  onTestFinished(() => stack.stop());
  return { ...stack, lines, current: () => ({ outputs: stack.outputs, resources: stack.resources }) };
}

const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };

export interface SeparateStack {
  readonly process: ChildProcess;
  readonly stack: Pick<Stack, 'apiUrl' | 'region' | 'endpoints'>;
  /** Resolves with the exit code, or null after a signal. */
  readonly ended: Promise<number | null>;
}

/** Runs an assembly in a process of its own; it is killed after the test if it has not ended by then. */
export async function runSeparately(assemblyDir: string, stateDir: string): Promise<SeparateStack> {
  const program = fileURLToPath(new URL('./assembly-main.ts', import.meta.url));
  const main = spawn(process.execPath, [program, assemblyDir, stateDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void main.kill('SIGKILL'));
  const ended = new Promise<number | null>((resolve) => main.once('exit', resolve));
  const stack = await new Promise<SeparateStack['stack']>((resolve) => {
    createInterface({ input: main.stdout }).once('line', (line) => resolve(JSON.parse(line)));
  });
  return { process: main, stack, ended };
}

/** What an SDK client needs to reach one of the stack's services. */
export function clientFor(stack: Pick<Stack, 'region' | 'endpoints'>, service: keyof Stack['endpoints']) {
  return { region: stack.region, credentials, endpoint: stack.endpoints[service], maxAttempts: 1 };
}

/** Whether a process has ended. One that nobody has waited for yet (a zombie) has. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return true;
  }
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && readFileSync(stat, 'utf8').split(') ')[1]?.[0] === 'Z';
}
