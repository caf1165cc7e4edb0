import type { Table } from '../../aws/dynamo.ts';
import { countQueued } from '../../aws/queue.ts';
import { readBoard } from '../../aws/reads.ts';
import { whyWaiting } from '../../core/waiting.ts';
import type { QueueReply } from '../../schemas/extensions.ts';
import type { Handler } from './http.ts';
import { tagged } from './tagged.ts';
import { holderOf, slotsOf, waitingFor } from './waiting-for.ts';

/** GET /repositories/:repo_id/jobs/queue: what a job that is submitted now would find before it. */
export const showQueue =
  (table: Table): Handler =>
  async (request) => {
    const [board, queued] = await Promise.all([readBoard(table), countQueued(table)]);
    const type = request.query.get('type');
    const reply: QueueReply = {
      slots: slotsOf(board),
      queued: queued.count,
      more: queued.more,
      by_type: Object.fromEntries([...queued.byType].sort(([a], [b]) => (a < b ? -1 : 1))),
      running: board.slots.toSorted((a, b) => a.job - b.job).map((hold) => holderOf(hold, request.user)),
      ...(type !== null && { waiting_for: waitingFor(whyWaiting(board, queued.byType, type), request.user) }),
    };
    return tagged(request, reply);
  };
