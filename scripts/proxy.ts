import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type Route, routes } from '../functions/api/routes.ts';

// Writes docs/proxy/: what sends ArchivesSpace's job routes here and everything else to its backend. With --check it
// only says whether the committed files are current. docs/archivesspace.md says how they are used.

type Operation = (typeof routes)[number]['operation'];

/** What does not pass the proxy to us, and why. Any other route does. */
const staysWithBackend: Partial<Readonly<Record<Operation, string>>> = {
  login: 'sessions are the backend’s, and we would see every login come from the address of the proxy',
  logout: 'sessions are the backend’s',
  version: 'clients ask which ArchivesSpace this is',
  page: 'for our page, which has its own address',
  openapi: 'describes us, not the backend',
  docs: 'describes us, not the backend',
};

/** What is ours from its root on: a job of the backend's own with the same number must never be reached by mistake. */
function roots(): readonly string[] {
  const ours = (routes as readonly Route[]).filter(({ operation }) => !(operation in staysWithBackend));
  const found = ours.map(({ path }) => /^\/repositories\/\{repo_id\}\/[^/{]+|^\/[^/{]+$/.exec(path)?.[0] ?? path);
  const strange = found.filter((root) => root.includes('{') && !root.startsWith('/repositories/{repo_id}/'));
  if (strange.length > 0) throw new Error(`Say where these go: ${strange.join(', ')}.`);
  return [...new Set(found)].sort();
}
const words = roots().map((root) => root.slice(1).replace('{repo_id}', '[^/]+'));
const note = (why: string) => `# ${why}`;
const backends = Object.entries(staysWithBackend).map(([operation, why]) => {
  const { method, path } = routes.find((route) => route.operation === operation) as Route;
  return note(`${method} ${path}: ${why}`);
});
const indented = (lines: readonly string[]) => lines.map((line) => `    ${line}`).join('\n');
const head = (where: string) => `# Made by scripts/proxy.ts from functions/api/routes.ts. Do not edit: npm run generate.
# ${where}
# Replace the words with two underscores around; docs/archivesspace.md says by what.`;

const nginx = `${head('A server for nginx 1.18 or newer, for example /etc/nginx/conf.d/archivesspace-jobs.conf.')}
server {
    listen __LISTEN__;

    # The names of API Gateway and S3 lead elsewhere from time to time; those in variables are looked up again.
    resolver __RESOLVER__;
    proxy_http_version 1.1;
    proxy_ssl_server_name on;
    proxy_ssl_verify on;
    proxy_ssl_verify_depth 4;
    proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;

    # The job routes and whatever is below them. Paths and queries are passed on as they came, byte by byte.
    location ~ ^/(?:${words.join('|')})(?:/|$) {
        set $jobs_service __JOBS_SERVICE_URL__;
        proxy_pass $jobs_service;
        # The service says itself what is too large, and how it can be sent.
        client_max_body_size 10m;
        # A file above 4 MiB is answered with an address. The staff interface does not follow those, so it is done here.
        proxy_intercept_errors on;
        error_page 303 = @large_file;
    }

    location @large_file {
        internal;
        set $large_file $upstream_http_location;
        proxy_pass $large_file;
        # The address is enough: whoever keeps the files has no business with sessions.
        proxy_set_header X-ArchivesSpace-Session "";
        proxy_set_header Authorization "";
        proxy_set_header Cookie "";
        proxy_set_header Connection "";
    }

    # Everything else is the backend's, among it
${indented(backends)}
    location / {
        proxy_pass __ARCHIVESSPACE_BACKEND_URL__;
        proxy_set_header Host $http_host;
        proxy_set_header Connection "";
        # As without a proxy: bodies of any size, answers as they come (an import reports while it works), and the 20
        # minutes that the staff interface waits.
        client_max_body_size 0;
        proxy_request_buffering off;
        proxy_buffering off;
        proxy_read_timeout 1200s;
        proxy_send_timeout 1200s;
    }
}
`;

const apache = `${head('A virtual host for Apache 2.4 with the modules proxy, proxy_http and ssl.')}
Listen __LISTEN__
<VirtualHost __LISTEN__>
    ProxyRequests Off
    AllowEncodedSlashes NoDecode
    ProxyTimeout 1200
    LimitRequestBody 0
    SSLProxyEngine On
    SSLProxyVerify require
    SSLProxyVerifyDepth 4
    SSLProxyCACertificateFile /etc/ssl/certs/ca-certificates.crt

    # The job routes and whatever is below them. The name of API Gateway leads elsewhere from time to time: without
    # reuse it is looked up again.
    ProxyPassMatch "^/((?:${words.join('|')})(?:/.*)?)$" "__JOBS_SERVICE_URL__/$1" disablereuse=On

    # Everything else is the backend's, among it
${indented(backends)}
    ProxyPass "/" "__ARCHIVESSPACE_BACKEND_URL__/" nocanon flushpackets=on
</VirtualHost>
`;

const files = { 'docs/proxy/nginx.conf': nginx, 'docs/proxy/apache.conf': apache };
for (const [file, text] of Object.entries(files)) {
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${file} is not current: run npm run generate.`);
    process.exitCode = 1;
  }
}
