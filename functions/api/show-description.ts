import { createHash } from 'node:crypto';
import type { Handler } from './http.ts';

// Both are loaded when they are asked for: a cold start of what people do all day does not pay for them.

/** GET /openapi.json: the API in OpenAPI 3.1. */
export const openapi: Handler = async () => ({ json: (await import('./openapi.ts')).describeApi() });

/** GET /docs: the same to read, without any script. */
export const docs: Handler = async () => {
  const [{ describeApi }, { pageOf, style }] = await Promise.all([import('./openapi.ts'), import('./openapi-page.ts')]);
  const hash = createHash('sha256').update(style).digest('base64');
  return {
    bytes: new TextEncoder().encode(pageOf(describeApi())),
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    },
  };
};
