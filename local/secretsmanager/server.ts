import { type LoopbackServer, listenOnLoopback, readBody, sendJson } from '../loopback.ts';

export interface SecretsManagerOptions {
  /** @default any free port */
  readonly port?: number;
  /** Each secret's text by its name; an ARN that ends in the name, with or without AWS's six characters, finds it too. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** Starts Secrets Manager with a fixed set of secrets and the one action `GetSecretValue`. */
export async function startSecretsManager(options: SecretsManagerOptions): Promise<LoopbackServer> {
  return listenOnLoopback(async (request, response) => {
    const body = (await readBody(request)).toString();
    if (request.headers['x-amz-target'] !== 'secretsmanager.GetSecretValue') {
      sendJson(response, 400, { __type: 'UnknownOperationException' }, '1.1');
      return;
    }
    const { SecretId: id = '' } = JSON.parse(body) as { SecretId?: string };
    const asked = id.split(':secret:').at(-1) ?? '';
    const name = [asked, asked.replace(/-\w{6}$/, '')].find((one) => Object.hasOwn(options.secrets, one));
    if (name === undefined) {
      const message = "Secrets Manager can't find the specified secret.";
      sendJson(response, 400, { __type: 'ResourceNotFoundException', message, Message: message }, '1.1');
      return;
    }
    const arn = id.startsWith('arn:') ? id : `arn:aws:secretsmanager:us-east-1:000000000000:secret:${name}-local1`;
    const secret = { ARN: arn, Name: name, SecretString: options.secrets[name], VersionStages: ['AWSCURRENT'] };
    sendJson(response, 200, secret, '1.1');
  }, options.port);
}
