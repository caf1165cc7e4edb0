/**
 * Bugs planted into the protocol, each as small as the real one: a condition left out, a read in the wrong order, a
 * step not taken. Every one must be caught. The names of other projects are those whose limiters had this bug.
 */
import { next, typesToRead } from '../../core/dispatch.ts';
import { judge, resumption, type Witness } from '../../core/ending.ts';
import { inspect } from '../../core/sweep.ts';
import * as table from '../../core/table.ts';
import type { Transaction, Write } from '../../core/writes.ts';
import type { Changed } from './protocol.ts';
import { scenario } from './scenarios.ts';
import type { Fault, Scenario } from './world.ts';

export interface Mutant {
  readonly name: string;
  readonly what: string;
  readonly scenario: Scenario;
  readonly changed: Changed;
  /** The property that does not hold with it. */
  readonly caughtBy: string;
}

const small = (jobs: string, slots: number, passes: number, ...only: readonly Fault[]): Scenario =>
  scenario(jobs, jobs, { slots, passes, faults: only.length ? 1 : 0, only });

/** Jobs of a resumable type, whose processes die and whose finishers may come late. */
const breaking = (jobs: string, ...more: readonly Fault[]): Scenario =>
  scenario(jobs, jobs, {
    slots: 2,
    passes: 1,
    faults: 2 + more.length,
    tries: 2,
    only: ['crash', 'late finisher', ...more],
  });

const withoutSegment = ({ segment: _segment, ...witness }: Witness): Witness => witness;

const free = <T extends Write>(write: T): T => ({ ...write, when: [] });
const at = (transaction: Transaction, place: number, change: (write: Write) => Write): Transaction =>
  transaction.map((write, i) => (i === place ? change(write) : write));

export const mutants: readonly Mutant[] = [
  {
    name: 'check, then act (ArchivesSpace)',
    what: 'There is no lock: whether a type may start is seen on the board, and then acted upon.',
    scenario: small('A A', 2, 2),
    caughtBy: 'two bodies of the type A ran at once',
    changed: {
      ways: { locks: false },
      claim: (claim) => table.claim(claim).filter(({ key }) => !key.sk.startsWith('LOCK#')),
    },
  },
  {
    name: 'poison job (ArchivesSpace)',
    what: 'A job of an unregistered type throws out of the pass.',
    scenario: small('C A', 2, 1),
    caughtBy: 'a job stays queued for ever',
    changed: {
      next: (board, heads) =>
        heads.get('C')?.length ? { kind: 'none', because: 'nothing may run' } : next(board, heads),
    },
  },
  {
    name: 'dead thread (ArchivesSpace)',
    what: 'What a crashed process held is held for ever: nobody cares for it.',
    scenario: small('B', 1, 1, 'crash'),
    caughtBy: 'a job stays running for ever',
    changed: { inspect: () => ({ kind: 'keep' }) },
  },
  {
    name: 'released twice (Solid Queue #761)',
    what: 'A run that nobody saw end gives its place up, ends after all, and gives it up once more, without token.',
    scenario: small('B B', 1, 1, 'stop'),
    caughtBy: 'a body ran without a slot',
    changed: {
      judge: (run, witness, now) => ({ ...judge(run, witness, now), ...(!witness && { certain: true }) }),
      releaseSlot: (n, hold) => free(table.releaseSlot(n, hold)),
    },
  },
  {
    name: 'end lost, slot leaks (Kestra #14356)',
    what: 'An execution that ended without its last state, and whose event got lost, is looked at by nobody.',
    scenario: small('B', 1, 1, 'stop'),
    caughtBy: 'a job stays running for ever',
    changed: { ways: { sweepEndsClosed: false } },
  },
  {
    name: 'count, then act (pg-boss #535)',
    what: 'A place is taken because it was seen free, without a condition.',
    scenario: small('B B', 1, 2),
    caughtBy: 'a body ran without a slot',
    changed: { claim: (claim) => at(table.claim(claim), table.claimParts.slot, free) },
  },
  {
    name: 'a counter, not owners',
    what: 'A release gives back one place, and not the place of this job.',
    scenario: small('B B', 1, 1, 'stop'),
    caughtBy: 'a body ran without a slot',
    changed: { releaseSlot: (n, hold) => free(table.releaseSlot(n, hold)) },
  },
  {
    name: 'release without token',
    what: 'A lock is deleted by whoever ends, though another job may hold it by then.',
    scenario: small('A A', 2, 1, 'stop'),
    caughtBy: 'a body ran without its lock',
    changed: { releaseLock: (type, hold) => free(table.releaseLock(type, hold)) },
  },
  {
    name: 'lock expires by time',
    what: 'A lock is a lease, and its time passes while the body runs.',
    scenario: small('A A', 2, 1),
    caughtBy: 'a body ran without its lock',
    changed: { ways: { lockExpires: true } },
  },
  {
    name: 'released at revocation',
    what: 'When nobody saw the end, slot and lock are freed as the token is taken away.',
    scenario: small('A A', 2, 1, 'stop'),
    caughtBy: 'a body ran without a slot',
    changed: { judge: (run, witness, now) => ({ ...judge(run, witness, now), ...(!witness && { certain: true }) }) },
  },
  {
    name: 'released after any error',
    what: 'Any error that the waiting state sees counts as the end of the body.',
    scenario: small('A A', 2, 1, 'lost sight'),
    caughtBy: 'a body ran without a slot',
    changed: { judge: (run, witness, now) => ({ ...judge(run, witness, now), ...(witness && { certain: true }) }) },
  },
  {
    name: 'no segment claim',
    what: 'A segment begins under a valid token, however often it is invoked.',
    scenario: small('B', 1, 1, 'repeat'),
    caughtBy: "a segment's body began twice",
    changed: {
      claimSegment: (run, ...rest) => ({
        ...table.claimSegment(run, ...rest),
        when: [{ attr: 'token', equals: run.token }],
      }),
    },
  },
  {
    name: 'claim ignores revocation',
    what: 'A segment begins though the token of its run was taken away.',
    scenario: small('A', 1, 1, 'stop'),
    caughtBy: 'a body ran without a slot',
    changed: {
      claimSegment: (...to) => {
        const write = table.claimSegment(...to);
        return {
          ...write,
          when: write.when.filter((condition) => !('attr' in condition && condition.attr === 'token')),
        };
      },
    },
  },
  {
    name: 'thawed watch kills the next job',
    what: 'A watch is not ended with its invocation; thawed in the next one, it kills that.',
    scenario: small('A A', 2, 1, 'stop'),
    caughtBy: 'a watch killed the process of another job',
    changed: { ways: { watchThaws: true } },
  },
  {
    name: 'sweep ends what had not started',
    what: 'No execution was found, so the job is ended.',
    scenario: small('B', 1, 1),
    caughtBy: 'a job failed though nothing had gone wrong',
    changed: { ways: { sweepEndsUnstarted: true } },
  },
  {
    name: 'sweep releases without the run',
    what: 'A job has ended, so what it holds is freed, whether its body still runs or not.',
    scenario: small('A', 1, 1, 'lost sight'),
    caughtBy: 'a body ran without a slot',
    changed: {
      inspect: (facts, now) => {
        const care = inspect(facts, now);
        return care.kind === 'keep' ? { kind: 'release' } : care;
      },
    },
  },
  {
    name: 'settle without token',
    what: 'Who ends a job second ends it again.',
    scenario: small('Bc', 1, 1, 'stop'),
    caughtBy: 'a final job changed',
    changed: { settle: (...to) => free(table.settle(...to)) },
  },
  {
    name: 'board from an index',
    what: 'The board is read where it lags behind.',
    scenario: small('A A B', 2, 2),
    caughtBy: 'an older job that might run was passed over',
    changed: { ways: { boardLags: true } },
  },
  {
    name: 'no lock condition',
    what: 'A lock is put over another one.',
    scenario: small('A A', 2, 2),
    caughtBy: 'a body ran without its lock',
    changed: { claim: (claim) => at(table.claim(claim), table.claimParts.lock, free) },
  },
  {
    name: 'canceled at once (ArchivesSpace)',
    what: 'A cancel ends a running job and frees its slot without waiting for its body.',
    scenario: small('Bc', 1, 1),
    caughtBy: 'a body ran without a slot',
    changed: {
      requestCancel: (job, _by, now) => [
        table.settle(job, { outcome: 'canceled', ends: { log: 0, files: 0, records: 0 } }, now),
        table.revoke(job),
        table.releaseSlot(job.slot, { job: job.id, token: job.token }),
      ],
    },
  },
  {
    name: 'revoke without `seen`',
    what: 'A segment may begin between the look at the run and its end.',
    scenario: small('A', 1, 1, 'stop'),
    caughtBy: 'a body ran without a slot',
    changed: { revoke: (run) => table.revoke(run) },
  },
  {
    name: 'no sweep, and a lost doorbell',
    what: 'Nobody looks unless the doorbell rings.',
    scenario: small('B', 1, 1),
    caughtBy: 'a job stays queued for ever',
    changed: { ways: { sweeps: 0 } },
  },
  {
    name: 'sweep reads the run first',
    what: 'Found by this model in our own sweep: job and run were read together, and the run was the older one.',
    scenario: small('A', 1, 1, 'lost sight'),
    caughtBy: 'a body ran without a slot',
    changed: { ways: { sweepReadsJobFirst: false } },
  },
  {
    name: 'second end trusts its old look',
    what: 'Found by this model in our own end: settled by another, it released by what it had read before that.',
    scenario: small('A', 1, 1, 'stop'),
    caughtBy: 'a body ran without a slot',
    changed: { ways: { endReadsAgain: false } },
  },
  {
    name: 'sweep releases what it saw half',
    what: 'Found by this model in our own sweep: of a claim under way it saw the slot, and not yet the job.',
    scenario: small('B', 1, 1, 'torn'),
    caughtBy: 'a body ran without a slot',
    changed: { ways: { sweepChecksJob: false } },
  },
  {
    name: 'youngest first',
    what: 'Of the jobs that may run the youngest is taken.',
    scenario: small('B B', 1, 1),
    caughtBy: 'a claim took another job than the oldest it saw',
    changed: {
      next: (board, heads) => {
        const choice = next(board, heads);
        const rows = [...heads.values()].flat().sort((a, b) => b.id - a.id);
        return choice.kind === 'start' && rows[0] ? { ...choice, row: rows[0] } : choice;
      },
    },
  },
  {
    name: 'a queue is not looked at',
    what: 'Only the first type that may start is read.',
    scenario: small('B A', 2, 1),
    caughtBy: 'a job stays queued for ever',
    changed: { typesToRead: (board) => typesToRead(board).slice(0, 1) },
  },
  {
    name: 'claim of a job that is not queued',
    what: 'Neither the job nor its row has to be there for a claim.',
    scenario: small('B', 2, 2),
    caughtBy: "a segment's body began twice",
    changed: {
      claim: (claim) =>
        [table.claimParts.job, table.claimParts.queue, table.claimParts.run].reduce(
          (writes, place) => at(writes, place, free),
          table.claim(claim),
        ),
    },
  },
  {
    name: 'cancel of what has begun',
    what: 'A queued job is canceled by what was read, though it runs by now.',
    scenario: small('Bc', 1, 1),
    caughtBy: 'a final job changed',
    changed: { cancelQueued: (...to) => table.cancelQueued(...to).map(free) },
  },
  {
    name: 'late writes are shown',
    what: 'A settlement does not say up to where the writes of its run count.',
    scenario: small('Bl', 1, 1, 'crash'),
    caughtBy: 'what is written after the end will be visible',
    changed: {
      settle: (run, { ends, ...rest }, now) => table.settle(run, { ...rest, ends: { ...ends, log: 1_000 } }, now),
    },
  },
  {
    name: 'execution is not started again',
    what: 'A claimed job whose execution never started is left alone.',
    scenario: small('B', 1, 1, 'start'),
    caughtBy: 'a job stays running for ever',
    changed: {
      inspect: (facts, now) => {
        const care = inspect(facts, now);
        return care.kind === 'start' ? { kind: 'keep' } : care;
      },
    },
  },
  {
    name: 'witness without segment',
    what: 'A finisher that comes late takes the segment that runs now for the one that it saw end.',
    scenario: breaking('R'),
    caughtBy: 'a run was led on while its body ran',
    changed: {
      isStale: () => false,
      judge: (run, witness, now) => judge(run, witness && withoutSegment(witness), now),
      resumption: (run, witness, now) => resumption(run, { ...witness, segment: run.segment }, now),
    },
  },
  {
    name: 'late finisher ends what has gone on',
    what: 'A finisher that comes late does not ask which segment runs now before it ends the run.',
    scenario: breaking('R'),
    caughtBy: 'a resumable job failed though it might have gone on',
    changed: {
      isStale: () => false,
      judge: (run, witness, now) => judge(run, witness && withoutSegment(witness), now),
    },
  },
  {
    name: 'late finisher frees what was settled',
    what: 'Settled by another, whose segment may still run, its holds are freed by what ended a segment before.',
    scenario: breaking('R', 'stop'),
    caughtBy: 'a body ran without a slot',
    changed: { judge: (run, witness, now) => judge(run, witness && withoutSegment(witness), now) },
  },
  {
    name: 'interruption without a look at what runs',
    what: 'A run is closed wherever it stands by now.',
    scenario: breaking('R'),
    caughtBy: 'a run was led on while its body ran',
    changed: {
      interrupt: (...to) => {
        const write = table.interrupt(...to);
        return {
          ...write,
          when: write.when.filter((one) => !('attr' in one && /^(segment|open|interr)/.test(one.attr))),
        };
      },
    },
  },
  {
    name: 'led on though its body may run',
    what: 'Any error that the waiting state sees lets a resumable run go on.',
    scenario: small('R', 1, 1, 'lost sight'),
    caughtBy: 'a run was led on while its body ran',
    changed: {
      resumption: (run, witness, now) =>
        resumption(run, witness.error === undefined ? witness : { ...witness, error: 'Runtime.ExitError' }, now),
    },
  },
  {
    name: 'led on though canceled',
    what: 'A cancel between the look at a run and its next segment is not seen.',
    scenario: small('Rc', 1, 1, 'crash'),
    caughtBy: 'a canceled run was led on',
    changed: {
      interrupt: (...to) => {
        const write = table.interrupt(...to);
        return { ...write, when: write.when.filter((one) => !('attr' in one && one.attr === 'cancelAt')) };
      },
    },
  },
  {
    name: 'resumable run revoked wherever it stands',
    what: 'A run goes on between the look at it and its end by a finisher that comes late.',
    scenario: breaking('R2ch'),
    caughtBy: 'a body ran without a slot',
    changed: {
      judge: (run, witness, now) => {
        const ending = judge(run, witness, now);
        return ending.revoke === 'seen' && witness ? { ...ending, revoke: 'always' } : ending;
      },
    },
  },
  {
    name: 'a segment number used twice',
    what: 'Found by this model in our own finisher: the segment that died before it was claimed was invoked again.',
    scenario: breaking('R'),
    caughtBy: 'a run was led on while its body ran',
    changed: {
      resumption: (run, ...seen) => {
        const next = resumption(run, ...seen);
        return next && { ...next, segment: run.segment + 1 };
      },
    },
  },
  {
    name: 'one interruption counted twice',
    what: 'Found by this model in our own finisher: repeated, it used up a try for nothing.',
    scenario: { ...breaking('R'), tries: 1 },
    caughtBy: 'a resumable job failed though it might have gone on',
    changed: { resumption: ({ interruption: _counted, ...run }, ...seen) => resumption(run, ...seen) },
  },
];
