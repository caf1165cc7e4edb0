// EventBridge's default bus: schedules, and rules that wait for a change of an execution's status.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
import { randomUUID } from 'node:crypto';
import type { ExecutionRecord } from './stepfunctions/journal.ts';

export interface Rule {
  readonly arn: string;
  /** `rate(1 minute)`. */
  readonly schedule?: string;
  readonly pattern?: Pattern;
  readonly targets: readonly Target[];
}

export interface Target {
  readonly functionArn: string;
  /** JSON that takes the event's place. */
  readonly input?: string;
}

export type Pattern = { readonly [field: string]: Pattern | readonly unknown[] };

export interface EventBus {
  addRule(rule: Rule): void;
  /** Gives an event to every rule that it matches. */
  publish(event: object): void;
  /** Runs each schedule once, and then at its rate. */
  startSchedules(): void;
  stop(): void;
}

/**
 * @param invokeLater runs a target without waiting for it
 * @param scale divides the schedules' intervals, for tests
 */
export function createEventBus(
  place: { readonly region: string; readonly accountId: string },
  invokeLater: (functionArn: string, payload: string) => void,
  scale = 1,
): EventBus {
  const rules: Rule[] = [];
  const timers: NodeJS.Timeout[] = [];

  function run(rule: Rule, event: object): void {
    for (const { functionArn, input } of rule.targets) invokeLater(functionArn, input ?? JSON.stringify(event));
  }

  return {
    addRule(rule) {
      if (rule.pattern) checkPattern(rule.pattern);
      if (rule.schedule !== undefined) rateMs(rule.schedule);
      rules.push(rule);
    },
    publish(event) {
      for (const rule of rules) if (rule.pattern && matches(rule.pattern, event)) run(rule, event);
    },
    startSchedules() {
      for (const rule of rules) {
        if (rule.schedule === undefined) continue;
        const tick = (): void =>
          run(rule, {
            ...envelope(place, 'aws.events', 'Scheduled Event', [rule.arn]),
            detail: {},
          });
        tick();
        timers.push(setInterval(tick, rateMs(rule.schedule) / scale));
      }
    },
    stop() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

/** https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html */
export function executionEvent(
  place: { readonly region: string; readonly accountId: string },
  record: ExecutionRecord,
): object {
  return {
    ...envelope(place, 'aws.states', 'Step Functions Execution Status Change', [record.arn]),
    detail: {
      executionArn: record.arn,
      stateMachineArn: record.machineArn,
      name: record.name,
      status: record.status,
      startDate: record.startedMs,
      stopDate: record.stoppedMs,
      input: record.input,
      inputDetails: { included: true },
      output: record.output,
      outputDetails: record.output === null ? null : { included: true },
      error: record.error,
      cause: record.cause,
    },
  };
}

function envelope(
  { region, accountId }: { readonly region: string; readonly accountId: string },
  source: string,
  detailType: string,
  resources: readonly string[],
): object {
  return {
    version: '0',
    id: randomUUID(),
    'detail-type': detailType,
    source,
    account: accountId,
    time: `${new Date().toISOString().slice(0, 19)}Z`,
    region,
    resources,
  };
}

const unitMs: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

function rateMs(schedule: string): number {
  const [, count, unit = ''] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(schedule) ?? [];
  const length = unitMs[unit];
  if (length === undefined) throw new Error(`The local stack runs only rate(…) schedules, not ${schedule}.`);
  return Number(count) * length;
}

function matches(pattern: Pattern, event: unknown): boolean {
  return Object.entries(pattern).every(([field, wanted]) => {
    const value = (event as Record<string, unknown> | null | undefined)?.[field];
    if (!Array.isArray(wanted)) return typeof value === 'object' && matches(wanted as Pattern, value);
    const values: unknown[] = Array.isArray(value) ? value : [value];
    return wanted.some((rule) => values.some((one) => matchesOne(rule, one)));
  });
}

function matchesOne(rule: unknown, value: unknown): boolean {
  if (typeof rule !== 'object' || rule === null) return rule === value;
  const {
    prefix,
    exists,
    'anything-but': not,
  } = rule as { prefix?: string; exists?: boolean; 'anything-but'?: unknown };
  if (prefix !== undefined) return typeof value === 'string' && value.startsWith(prefix);
  if (exists !== undefined) return exists === (value !== undefined);
  return value !== undefined && !(Array.isArray(not) ? not : [not]).includes(value);
}

function checkPattern(pattern: Pattern): void {
  for (const wanted of Object.values(pattern)) {
    if (!Array.isArray(wanted)) {
      checkPattern(wanted as Pattern);
      continue;
    }
    for (const rule of wanted) {
      const operator = typeof rule === 'object' && rule !== null ? (Object.keys(rule)[0] ?? '') : 'exists';
      if (!['prefix', 'exists', 'anything-but'].includes(operator)) {
        throw new Error(`The local event bus does not know the pattern ${JSON.stringify(rule)}.`);
      }
    }
  }
}
