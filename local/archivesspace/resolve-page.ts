import { describeRecord } from './record-views.ts';
import type { Store } from './store.ts';

/** `/resolve/readonly?uri=…`, as the original's staff interface has it; here a plain table of what the record holds. */
export function resolvePage(store: Store, uri: string): { readonly status: number; readonly html: string } {
  const record = store.getRecord(uri);
  if (record === undefined)
    return { status: 404, html: page('Record not found', `<p>There is no record <code>${plain(uri)}</code>.</p>`) };
  const described = describeRecord(store, record) as Readonly<Record<string, unknown>>;
  const title = String(described['title'] ?? described['display_string'] ?? uri);
  return { status: 200, html: page(title, `<p><code>${plain(uri)}</code></p>${shown(described)}`) };
}

function shown(value: unknown): string {
  if (Array.isArray(value))
    return value.length === 0 ? '–' : `<ol>${value.map((entry) => `<li>${shown(entry)}</li>`).join('')}</ol>`;
  if (typeof value === 'object' && value !== null) {
    const rows = Object.entries(value).map(
      ([name, entry]) =>
        `<tr><th scope="row">${plain(name.replaceAll('_', ' '))}</th><td>${name === 'ref' ? linkTo(String(entry)) : shown(entry)}</td></tr>`,
    );
    return `<table>${rows.join('')}</table>`;
  }
  return plain(String(value));
}

const linkTo = (uri: string) => `<a href="/resolve/readonly?uri=${encodeURIComponent(uri)}">${plain(uri)}</a>`;

const plain = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const page = (title: string, body: string) => `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>${plain(title)}</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.2rem .6rem;border-top:1px solid #8888}
th{font-weight:600;white-space:nowrap}</style><h1>${plain(title)}</h1>${body}</html>`;
