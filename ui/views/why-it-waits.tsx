import { Link } from 'wouter';
import type { Holder, QueuePlace, WaitingFor } from '../../schemas/extensions.ts';
import { titleOf } from '../lib/labels.ts';
import type { LocalType } from '../lib/localize.ts';
import { showTime } from '../lib/time.ts';
import { say, sayCount } from '../words/say.ts';

/** Where a queued job stands, and what has to happen before it starts. */
export function WhyItWaits({ queue, types }: { queue: QueuePlace; types: readonly LocalType[] | undefined }) {
  const { position, more, waiting_for: reasons, slots } = queue;
  return (
    <section className="note" aria-labelledby="why-it-waits">
      <h2 id="why-it-waits">{say('wait.title')}</h2>
      <p>{positionText(position, more)}</p>
      {reasons.length === 0 && <p>{say('wait.soon')}</p>}
      {reasons.map((reason) => (
        <div key={reason.reason}>
          <p>{reasonText(reason, slots.limit)}</p>
          {'holders' in reason && (
            <ul>
              {reason.holders.map((holder) => (
                <li key={holder.visible ? holder.uri : `${holder.job_type} ${holder.since}`}>
                  <HolderText holder={holder} types={types} />
                </li>
              ))}
            </ul>
          )}
        </div>
      ))}
    </section>
  );
}

const positionText = (position: number, more: boolean): string =>
  more
    ? say('wait.position_more', { count: position.toLocaleString() })
    : position === 0
      ? say('wait.position_next')
      : sayCount('wait.position', position);

const reasonText = (waiting: WaitingFor, limit: number): string =>
  waiting.reason === 'no_free_slot' ? sayCount('wait.no_free_slot', limit) : say(`wait.${waiting.reason}`);

function HolderText({ holder, types }: { holder: Holder; types: readonly LocalType[] | undefined }) {
  const title = titleOf(holder.job_type, types);
  const time = showTime(holder.since);
  if (!holder.visible) return say('wait.holder.hidden', { title, time });
  return <Link href={holder.uri}>{say('wait.holder', { title, id: holder.id, time })}</Link>;
}
