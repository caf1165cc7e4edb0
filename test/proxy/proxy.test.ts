import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { routes } from '../../functions/api/routes.ts';
import { type Person, person, useService } from '../helpers/stack.ts';
import { isInstalled, type ProxyName, type ProxyServer, startProxy } from './proxies.ts';

// What ArchivesSpace's staff interface, its indexer and scripts ask, by one address: the job routes are answered here,
// all else by the backend. Skipped where the proxy is not installed: apt-get install nginx apache2.

/** What reached the backend, letter by letter. */
const backend: string[] = [];
const started = useService({
  plugins: ['jobs_example'],
  onBackendRequest: (method, path) => void backend.push(`${method} ${path}`),
});
const MiB = 1024 * 1024;
const slow = { jsonmodel_type: 'job', job: { jsonmodel_type: 'slow_nothing_job', times: '1', seconds: 60 } };
const papers = (id: string, padding = 0) => `<ead xmlns="urn:isbn:1-931666-22-9"><!--${'x'.repeat(padding)}-->
<eadheader><eadid>demo</eadid></eadheader><archdesc level="collection"><did><unittitle>Papers</unittitle>
<unitid>${id}</unitid><unitdate normal="1900/1910" type="inclusive">1900-1910</unitdate>
<physdesc><extent>2 linear feet</extent></physdesc><langmaterial><language langcode="eng"/></langmaterial></did>
</archdesc></ead>`;
const importing = { jsonmodel_type: 'import_job', import_type: 'ead_xml', filenames: ['papers.xml'] };

/** A request whose path goes out as it is: fetch would write it anew. */
function raw(
  url: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

for (const name of ['nginx', 'apache'] as const satisfies readonly ProxyName[]) {
  describe.skipIf(!isInstalled(name))(`ArchivesSpace and this service behind ${name}`, () => {
    let proxy: ProxyServer;
    let archivist: Person;
    beforeAll(async () => {
      const { apiUrl, archivesspaceUrl } = started.service;
      proxy = await startProxy(name, apiUrl, archivesspaceUrl);
      backend.length = 0;
      archivist = await person(proxy.url, 'archivist');
    });
    afterAll(() => proxy?.stop());

    test('The login is the backend’s own, and its session is good on both sides', async () => {
      expect(backend).toEqual(['POST /users/archivist/login']);
      expect((await archivist.get('/users/current-user')).body).toMatchObject({ username: 'archivist' });
      expect((await archivist.get('/repositories/2/jobs?page=1')).status).toBe(200);
      const gone = await raw(proxy.url, '/repositories/2/jobs?page=1', { 'x-archivesspace-session': 'gone' });
      expect(gone.status).toBe(412);
    });

    test('The staff interface: types, create, one job, log, cancel, records', async () => {
      expect((await archivist.get('/job_types')).body).toHaveProperty('slow_nothing_job');
      // The staff interface sends its JSON as text/json.
      const created = await fetch(`${proxy.url}/repositories/2/jobs`, {
        method: 'POST',
        headers: { ...archivist.headers(), 'content-type': 'text/json' },
        body: JSON.stringify(slow),
      });
      const { uri } = (await created.json()) as { uri: string };
      await archivist.until(uri, 'running');
      await expect.poll(() => archivist.log(uri), { timeout: 15_000 }).toContain('Doing nothing, 1 of 1');
      expect((await archivist.get('/repositories/2/jobs/active')).body).toMatchObject([{ uri }]);
      expect((await archivist.cancel(uri)).body).toMatchObject({ status: 'Updated' });
      await archivist.until(uri, 'canceled');
      expect((await archivist.get(`${uri}/records?page=1`)).body).toMatchObject({ total: 0 });
      expect((await archivist.get('/repositories/2/jobs/archived?page=1&page_size=1')).body).toMatchObject({
        results: [{ uri }],
      });
      // None of this was the backend's.
      expect(backend.filter((line) => line.includes('/job'))).toEqual([]);
    });

    test('Bodies over 1 MB pass on both sides; over 4 MiB the service says what to do', async () => {
      const content = papers(`${name} 1`, 2 * MiB);
      const { body } = await archivist.upload(importing, [{ field: 'files[0]', name: 'papers.xml', content }]);
      await archivist.until(body.uri, 'completed');
      expect((await archivist.get(`${body.uri}/output_files/1`)).text).toBe(content);

      const tooLarge = await archivist.upload(importing, [
        { field: 'files[0]', name: 'a', content: 'x'.repeat(4.2 * MiB) },
      ]);
      expect(tooLarge.status).toBe(413);
      expect(tooLarge.body.error).toContain('/jobs/uploads');

      const batch = [{ jsonmodel_type: 'subject', uri: '/repositories/2/import', title: 'x'.repeat(2 * MiB) }];
      const imported = await archivist.post('/repositories/2/batch_imports', batch);
      expect(imported.text).not.toContain('Too Large');
      expect(backend).toContain('POST /repositories/2/batch_imports');
    });

    test('A file above 4 MiB', async () => {
      const content = papers(`${name} 2`, 5 * MiB);
      const { body: place } = await archivist.post<{ upload_id: string; url: string; headers: Record<string, string> }>(
        '/repositories/2/jobs/uploads',
        { name: 'papers.xml', size: content.length, sha256: createHash('sha256').update(content).digest('hex') },
      );
      expect((await fetch(place.url, { method: 'PUT', headers: place.headers, body: content })).status).toBe(200);
      const { body } = await archivist.post<{ uri: string }>('/repositories/2/jobs', {
        job: importing,
        uploads: [place.upload_id],
      });
      await archivist.until(body.uri, 'completed');
      const response = await fetch(`${proxy.url}${body.uri}/output_files/1`, {
        headers: archivist.headers(),
        redirect: 'manual',
      });
      // nginx follows for the staff interface, which does not; Apache cannot (docs/archivesspace.md).
      expect(response.status).toBe(name === 'nginx' ? 200 : 303);
      if (name === 'nginx') {
        expect(response.headers.get('content-disposition')).toContain('attachment');
        expect(await response.text()).toBe(content);
      } else {
        expect(response.headers.get('location')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\//);
        await response.arrayBuffer();
      }
    });

    test('The indexer’s round: all ids since, each set with what it refers to, the files of each job', async () => {
      const ids = (await archivist.get<number[]>('/repositories/2/jobs?all_ids=true&modified_since=0')).body;
      expect(ids.length).toBeGreaterThan(1);
      const query = `id_set=${ids.join(',')}&resolve[]=repository&resolve%5B%5D=record`;
      const { body } = await archivist.get<{ uri: string; repository: { _resolved?: object } }[]>(
        `/repositories/2/jobs?${query}`,
      );
      expect(body.map(({ uri }) => Number(uri.split('/').at(-1))).sort()).toEqual([...ids].sort());
      for (const { uri, repository } of body) {
        expect(repository._resolved).toHaveProperty('repo_code');
        expect((await archivist.get(`${uri}/output_files`)).status).toBe(200);
      }
      const plain = await archivist.get(`/repositories/2/jobs?page=1&resolve=repository`);
      expect(plain.status).toBe(400);
    });

    test('Paths reach the backend as they were sent', async () => {
      backend.length = 0;
      const paths = [
        '/users/a%2Fb',
        '/repositories/2/find_by_id/%C3%A9%20%2B',
        '/search?q=a%26b&type[]=x',
        '/jobs',
        '/',
      ];
      for (const path of paths) await raw(proxy.url, path);
      expect(backend).toEqual(paths.map((path) => `GET ${path.split('?')[0]}`));
    });

    test('Whatever is below a job route is ours, also where we have nothing', async () => {
      backend.length = 0;
      for (const path of [
        '/repositories/2/jobs/1/unknown',
        '/repositories/2/%6Aobs/1',
        '/repositories/x/jobs/1',
        '/job_types/1',
      ])
        expect((await raw(proxy.url, path, archivist.headers())).status).toBeGreaterThanOrEqual(200);
      expect(backend).toEqual([]);
      await raw(proxy.url, '/repositories/2/jobsite');
      expect(backend).toEqual(['GET /repositories/2/jobsite']);
    });
  });
}

test.skipIf(!isInstalled('nginx'))(
  'nginx gives no session to whoever keeps the files, and the address as it was',
  async () => {
    const asked: { url: string; headers: IncomingHttpHeaders }[] = [];
    const files = await serve((incoming, outgoing) => {
      asked.push({ url: incoming.url ?? '', headers: incoming.headers });
      outgoing.writeHead(200, { 'content-disposition': 'attachment; filename="a"' }).end('content');
    });
    const jobs = await serve((_, outgoing) =>
      outgoing.writeHead(303, { location: `${files.url}/a%2Fb%20c?X-Amz-Signature=%2F%3D` }).end(),
    );
    const proxy = await startProxy('nginx', jobs.url, files.url);
    try {
      const secrets = { 'x-archivesspace-session': 'secret', authorization: 'Bearer secret', cookie: 'a=secret' };
      const { text } = await raw(proxy.url, '/repositories/2/jobs/1/output_files/1', secrets);

      expect(text).toBe('content');
      const [one] = asked.slice(-1);
      expect(one?.url).toBe('/a%2Fb%20c?X-Amz-Signature=%2F%3D');
      expect(one?.headers['host']).toBe(new URL(files.url).host);
      expect(JSON.stringify(one?.headers)).not.toContain('secret');
    } finally {
      await Promise.all([proxy.stop(), files.close(), jobs.close()]);
    }
  },
);

function serve(answer: RequestListener): Promise<{ url: string; close(): Promise<void> }> {
  return new Promise((resolve) => {
    const server = createServer(answer).listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      const close = () =>
        new Promise<void>((closed) => {
          server.close(() => closed());
          server.closeAllConnections();
        });
      resolve({ url: `http://127.0.0.1:${port}`, close });
    });
  });
}

test('The documentation names every route that does not pass to us', () => {
  const text = readFileSync('docs/archivesspace.md', 'utf8');
  const config = readFileSync('docs/proxy/nginx.conf', 'utf8');
  for (const { method, path } of routes) {
    const ours = /^\/(job_types|repositories\/\{repo_id\}\/jobs)/.test(path);
    expect(config.includes(`# ${method} ${path}:`), path).toBe(!ours);
    if (!ours) expect(text, path).toContain(path);
  }
});
