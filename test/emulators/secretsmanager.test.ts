// Secrets Manager's GetSecretValue, as its API reference documents it.
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { expect, onTestFinished, test } from 'vitest';
import { startSecretsManager } from '../../local/secretsmanager/server.ts';

async function start(secrets: Record<string, string>) {
  const server = await startSecretsManager({ secrets });
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const client = new SecretsManagerClient({
    endpoint: server.endpoint,
    region: 'eu-west-1',
    credentials,
    maxAttempts: 1,
  });
  onTestFinished(async () => {
    client.destroy();
    await server.close();
  });
  return (SecretId: string) => client.send(new GetSecretValueCommand({ SecretId }));
}

test.each([
  'service-user',
  'arn:aws:secretsmanager:eu-west-1:000000000000:secret:service-user',
  'arn:aws:secretsmanager:eu-west-1:000000000000:secret:service-user-AbCdEf',
])('%s finds the secret', async (id) => {
  const find = await start({ 'service-user': '{"password":"ä"}' });

  expect(await find(id)).toMatchObject({ Name: 'service-user', SecretString: '{"password":"ä"}' });
});

test('another name is not found', async () => {
  const find = await start({ 'service-user': 'x' });

  await expect(find('other')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});
