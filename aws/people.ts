import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { Fault } from '../core/errors.ts';
import type { User } from '../core/permissions.ts';

/** What the session function answers about a token's user: somebody whom ArchivesSpace does not know may do nothing. */
export type UserAnswer = { readonly user: User } | { readonly unavailable: string };

/** What it answers a runner: a session of the job's owner, or a sentence for staff. */
export type SessionAnswer = { readonly session: string } | { readonly refused: string };

/** Asks the session function whose token this is, and what ArchivesSpace lets them do. Throws `Fault`. */
export async function askUser(sessionFunction: string, bearer: string): Promise<UserAnswer> {
  const { failed, answer } = await ask(sessionFunction, { bearer });
  if (failed) throw new Fault('The session function failed.', answer);
  return JSON.parse(answer) as UserAnswer;
}

/** Asks the session function for a session of a job's owner, against the run's token; undefined when it failed. */
export async function askSession(
  sessionFunction: string,
  { job, type, token }: { readonly job: number; readonly type: string; readonly token: string },
): Promise<SessionAnswer | undefined> {
  const { failed, answer } = await ask(sessionFunction, { job, type, token });
  return failed ? undefined : (JSON.parse(answer || '{}') as SessionAnswer);
}

async function ask(
  sessionFunction: string,
  question: object,
): Promise<{ readonly failed: boolean; readonly answer: string }> {
  const { FunctionError, Payload } = await new LambdaClient({}).send(
    new InvokeCommand({ FunctionName: sessionFunction, Payload: JSON.stringify(question) }),
  );
  return { failed: FunctionError !== undefined, answer: new TextDecoder().decode(Payload) };
}
