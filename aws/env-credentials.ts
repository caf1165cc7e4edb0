/**
 * Takes the place of `@aws-sdk/credential-provider-node` in the bundles of the service's own functions: Lambda always
 * gives credentials in the environment, and the chain of other places they could come from is more than half of a
 * DynamoDB client (323 KB with it, 191 KB without). Runners keep the chain: they are a plugin's own business.
 */
export const defaultProvider = () => async () => {
  const accessKeyId = process.env['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = process.env['AWS_SECRET_ACCESS_KEY'];
  const sessionToken = process.env['AWS_SESSION_TOKEN'];
  if (!accessKeyId || !secretAccessKey) {
    throw new Error(
      'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set: this bundle takes credentials from there.',
    );
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
};
