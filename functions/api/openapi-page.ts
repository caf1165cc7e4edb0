// The description as one page of HTML: no script, nothing from elsewhere.

type Json = Readonly<Record<string, unknown>>;
type Named = Readonly<Record<string, Json>>;

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Content; readonly headers?: Named }>
  >;
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly description?: string;
  readonly schema: Json;
  readonly examples?: Examples;
}
type Examples = Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>;
type Content = Readonly<Record<string, { readonly schema: Json; readonly examples?: Examples }>>;

export const style = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
h2 { margin-top: 3rem; } h3 { margin: 2.5rem 0 0; font-size: 1.1rem; } h3 code { overflow-wrap: anywhere; }
code, pre { font: 0.9em/1.45 ui-monospace, monospace; }
pre { background: #f4f4f2; padding: 0.75rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; vertical-align: top; padding: 0.2rem 1rem 0.2rem 0; }
nav ul { columns: 20rem; padding-left: 1.2rem; } summary { cursor: pointer; } a { color: #0b57a4; }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #eee; } pre { background: #262626; } a { color: #8ec5ff; } }
`;

/** The page of a description as describeApi makes it. */
export function pageOf(api: Json): string {
  const { info, tags, paths, components } = api as unknown as {
    readonly info: { readonly title: string; readonly version: string; readonly description: string };
    readonly tags: readonly { readonly name: string; readonly description: string }[];
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
    readonly components: { readonly schemas: Named };
  };
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ title: `${method.toUpperCase()} ${path}`, operation })),
  );
  const parts = tags.map(({ name, description }) => ({
    name,
    description,
    list: all.filter(({ operation }) => operation.tags.includes(name)),
  }));
  const links = parts.map(
    ({ name, list }) =>
      `<p>${escaped(name)}</p><ul>${list
        .map(({ operation: { operationId, summary } }) => `<li><a href="#${operationId}">${escaped(summary)}</a></li>`)
        .join('')}</ul>`,
  );
  const sections = parts.map(
    ({ name, description, list }) =>
      `<h2>${escaped(name)}</h2><p>${prose(description)}</p>${list.map(({ title, operation }) => section(title, operation)).join('\n')}`,
  );
  const shapes = Object.entries(components.schemas).map(
    ([name, schema]) => `<h3 id="shape-${name}">${name}</h3>${pre(schema)}`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(info.title)}: API</title><style>${style}</style></head>
<body><main><h1>${escaped(info.title)} ${escaped(info.version)}</h1><p>${prose(info.description)}
The same for programs: <a href="openapi.json">openapi.json</a>.</p>
<nav aria-label="Operations">${links.join('')}</nav>
${sections.join('\n')}
<h2>Shapes</h2>
${shapes.join('\n')}
</main></body></html>
`;
}

function section(title: string, operation: Operation): string {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation;
  const rows = parameters.map(
    ({ name, in: place, description: text = '', schema }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${place}</td><td>${prose(text)} ${shape(schema)}</td></tr>`,
  );
  const answers = Object.entries(responses).map(([status, { description: text, content, headers = {} }]) => {
    const named = Object.entries(headers).map(
      ([name, { description: of }]) => `<code>${name}</code>: ${prose(String(of))}`,
    );
    return `<tr><td>${status}</td><td>${prose(text)} ${content ? contents(content) : ''} ${named.join(' ')}</td></tr>`;
  });
  return `<h3 id="${operationId}">${escaped(summary)}<br><code>${escaped(title)}</code></h3>
<p>${prose(description)}</p>
${rows.length > 0 ? `<table>${rows.join('')}</table>` : ''}
${requestBody ? `<p>Body: ${contents(requestBody.content)}</p>` : ''}
<table>${answers.join('')}</table>
${examplesOf(operation)}`;
}

/** The parts of each example, which have the same key everywhere, put together again. */
function examplesOf({ parameters = [], requestBody, responses }: Operation): string {
  const found = new Map<string, { summary: string; lines: string[] }>();
  const add = (examples: Examples | undefined, line: (value: unknown) => string) => {
    for (const [key, { summary, value }] of Object.entries(examples ?? {})) {
      const one = found.get(key) ?? { summary, lines: [] };
      one.lines.push(line(value));
      found.set(key, one);
    }
  };
  for (const { name, in: place, examples } of parameters)
    add(examples, (value) => `<p><code>${escaped(name)}</code> (${place}): <code>${escaped(String(value))}</code></p>`);
  for (const { examples } of Object.values(requestBody?.content ?? {})) add(examples, pre);
  for (const [status, { content = {} }] of Object.entries(responses))
    for (const { examples } of Object.values(content)) add(examples, (value) => `<p>${status}</p>${pre(value)}`);
  return [...found.values()]
    .map(({ summary, lines }) => `<details><summary>${escaped(summary)}</summary>${lines.join('')}</details>`)
    .join('\n');
}

const contents = (content: Content) =>
  Object.entries(content)
    .map(([type, { schema }]) => `<code>${escaped(type)}</code> ${shape(schema)}`)
    .join(', ');

function shape(schema: Json): string {
  const name = /^#\/components\/schemas\/(\w+)$/.exec(String(schema['$ref']))?.[1];
  return name ? `<a href="#shape-${name}">${name}</a>` : `<code>${escaped(String(schema['type'] ?? ''))}</code>`;
}

const pre = (value: unknown) =>
  `<pre>${escaped(typeof value === 'string' ? value : JSON.stringify(value, undefined, 2))}</pre>`;
/** Text with `code` in it. */
const prose = (text: string) => escaped(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
