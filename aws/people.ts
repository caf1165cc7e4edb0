import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { Fault } from '../core/errors.ts';
import type { User } from '../core/permissions.ts';

/** What the session function answers about a token's user: somebody whom ArchivesSpace does not know may do nothing. */
export type UserAnswer = { readonly user: User } | { readonly unavailable: string };

/** Asks the session function whose token this is, and what ArchivesSpace lets them do. Throws `Fault`. */
export async function askUser(sessionFunction: string, bearer: string): Promise<UserAnswer> {
  const { FunctionError, Payload } = await new LambdaClient({}).send(
    new InvokeCommand({ FunctionName: sessionFunction, Payload: JSON.stringify({ bearer }) }),
  );
  const answer = new TextDecoder().decode(Payload);
  if (FunctionError) throw new Fault('The session function failed.', answer);
  return JSON.parse(answer) as UserAnswer;
}
