import { DeleteFunctionCommand, LambdaClient, paginateListVersionsByFunction } from '@aws-sdk/client-lambda';

/** Not with the other clients: most functions do without, and each would load it. */
export const openLambda = () => new LambdaClient({});
export type Lambda = ReturnType<typeof openLambda>;

/** The function and the version that an ARN ends in; undefined when it names a function without one. */
export function versionOf(arn: string): { readonly functionName: string; readonly version: string } | undefined {
  const [, functionName, version] = /^(.+):(\d+)$/.exec(arn) ?? [];
  return functionName === undefined || version === undefined ? undefined : { functionName, version };
}

/**
 * Deletes published versions of a function but those to keep; returns which ones went. `$LATEST` is none of them. Throws
 * when one could not be deleted, after those before it.
 *
 * @param functionName a name or an ARN, without version
 */
export async function deleteVersions(
  client: Lambda,
  functionName: string,
  keep: ReadonlySet<string>,
): Promise<readonly string[]> {
  const unneeded: string[] = [];
  // A delete without a number would be of the function.
  for await (const { Versions: page = [] } of paginateListVersionsByFunction(
    { client },
    { FunctionName: functionName },
  ))
    for (const { Version: version = '' } of page)
      if (/^\d+$/.test(version) && !keep.has(version)) unneeded.push(version);
  for (const version of unneeded)
    await client.send(new DeleteFunctionCommand({ FunctionName: functionName, Qualifier: version }));
  return unneeded;
}
