// `npm run demo [-- file.xml]`: imports a finding aid into a stack of its own, and shows the job as staff would follow it.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startService } from '../local/service.ts';

const file = process.argv[2] ?? 'examples/novak-tanaka.xml';
const service = await startService({
  jobThreadCount: 2,
  plugins: [],
  port: 0,
  log: (line) => {
    if (/"level":"ERROR"/.test(line)) console.error(line);
  },
});

interface Job {
  readonly status: string;
  readonly failure?: { readonly reason: string };
  readonly progress?: { readonly done: number; readonly total: number; readonly message?: string };
}

try {
  const outcome = await importFile(service.apiUrl);
  process.exitCode = outcome === 'completed' ? 0 : 1;
} finally {
  await service.stop();
}

async function importFile(api: string): Promise<string> {
  const login = await fetch(`${api}/users/archivist/login`, {
    method: 'POST',
    body: new URLSearchParams({ password: 'archivist' }),
  });
  const { session } = (await login.json()) as { session: string };
  const headers = { 'x-archivesspace-session': session };

  const form = new FormData();
  form.set(
    'job',
    JSON.stringify({ job: { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: [basename(file)] } }),
  );
  form.set('files[0]', new Blob([readFileSync(file)], { type: 'application/xml' }), basename(file));
  const created = await fetch(`${api}/repositories/2/jobs_with_files`, { method: 'POST', headers, body: form });
  if (!created.ok) throw new Error(`The job was not accepted: ${await created.text()}`);
  const { uri } = (await created.json()) as { uri: string };
  console.log(`Created ${uri} on ${api}`);

  const get = async (path: string) => {
    const response = await fetch(`${api}${path}`, { headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  // The log counts bytes, and a piece of it may end inside a character.
  const text = new TextDecoder();
  let offset = 0;
  let shown = '';
  for (;;) {
    const job = (await (await get(uri)).json()) as Job;
    const piece = new Uint8Array(await (await get(`${uri}/log?offset=${offset}`)).arrayBuffer());
    offset += piece.length;
    process.stdout.write(text.decode(piece, { stream: true }).replace(/^(?=.)/gm, '  | '));
    const progress =
      job.progress && `${job.progress.done} of ${job.progress.total} ${job.progress.message ?? ''}`.trim();
    if (progress && progress !== shown) console.log(`  progress: ${progress}`);
    shown = progress ?? shown;
    if (piece.length === 0 && job.status !== 'queued' && job.status !== 'running') {
      const { total } = (await (await get(`${uri}/records?page=1`)).json()) as { total: number };
      console.log(`${job.status}: ${total} records created${job.failure ? `. ${job.failure.reason}` : ''}`);
      return job.status;
    }
    await pause(200);
  }
}
