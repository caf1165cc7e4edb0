import type { Handler } from './http.ts';

/** GET /version: ArchivesSpace's clients ask for it when they start, and show what they get. */
export const version: Handler = async () => ({
  bytes: new TextEncoder().encode('Background jobs for ArchivesSpace (v0.1.0)\n'),
  headers: { 'content-type': 'text/plain; charset=utf-8' },
});
