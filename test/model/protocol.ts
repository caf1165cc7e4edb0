/** What the model runs of the project: its decisions, its commands, and the few ways that are no function. */
import { freeSlots, isBlocked, next, typesToRead } from '../../core/dispatch.ts';
import { isOver, isStale, judge, resumption } from '../../core/ending.ts';
import { inspect, inspectRow } from '../../core/sweep.ts';
import * as table from '../../core/table.ts';

/** `true` may become `false`. */
const widened = <T extends Record<string, boolean | number>>(
  ways: T,
): { readonly [way in keyof T]: T[way] extends number ? number : boolean } => ways as never;

/** Everything that decides or writes, so that a mutant can replace one of them. */
export const protocol = {
  ...table,
  freeSlots,
  isBlocked,
  next,
  typesToRead,
  judge,
  isOver,
  isStale,
  resumption,
  inspect,
  inspectRow,
  ways: widened({
    /** The sweep reads the run after the job: one that it saw before may have begun a segment since. */
    sweepReadsJobFirst: true,
    /** The sweep releases together with a check that the job still is what it saw. */
    sweepChecksJob: true,
    /** A closed execution ends its job. */
    sweepEndsClosed: true,
    /** A missing execution ends its job, instead of being started. */
    sweepEndsUnstarted: false,
    /** An end that finds its job settled reads the run again: what it read before may have begun a segment since. */
    endReadsAgain: true,
    /** There are locks at all. */
    locks: true,
    lockExpires: false,
    /** A watch outlives its invocation and kills the next one in the same environment. */
    watchThaws: false,
    /** The board comes from an index, which may show a lock that is free by now. */
    boardLags: false,
    /** How many sweeps there are until everything must be healed. */
    sweeps: 2,
  }),
};
export type Ways = { readonly [way in keyof typeof protocol.ways]: (typeof protocol.ways)[way] };
export type Protocol = Omit<typeof protocol, 'ways'> & { readonly ways: Ways };

/** What a mutant does otherwise. */
export type Changed = Partial<Omit<Protocol, 'ways'>> & { readonly ways?: Partial<Ways> };
