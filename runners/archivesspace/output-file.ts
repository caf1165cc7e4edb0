/** What an output file is called here: ArchivesSpace keeps neither names nor types of files. */

interface Naming {
  readonly name: string;
  readonly extension: string;
}

const contentTypes: Readonly<Record<string, string>> = {
  pdf: 'application/pdf',
  csv: 'text/csv',
  tsv: 'text/tab-separated-values',
  json: 'application/json',
  html: 'text/html',
  rtf: 'application/rtf',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  txt: 'text/plain',
};

/**
 * Name and content type of the `n`th (from 0) output file of a job.
 *
 * @param params of the job, which say what its format is
 */
export function describeOutput(
  type: string,
  params: Readonly<Record<string, unknown>>,
  n: number,
  bytes: Uint8Array,
): { readonly name: string; readonly contentType: string } {
  const { name, extension } = namingOf(type, params, bytes);
  return {
    name: `${name}${n === 0 ? '' : `_${n + 1}`}.${extension}`,
    contentType: contentTypes[extension] ?? 'application/octet-stream',
  };
}

function namingOf(type: string, params: Readonly<Record<string, unknown>>, bytes: Uint8Array): Naming {
  const text = (name: string) => (typeof params[name] === 'string' ? params[name] : '');
  const source = plain(text('source').split('/').slice(-2).join('_'), 'resource');
  switch (type) {
    case 'print_to_pdf_job':
      return { name: source, extension: 'pdf' };
    case 'container_labels_job':
      return { name: `${source}_labels`, extension: plain(text('format'), 'tsv') };
    case 'report_job':
      return { name: plain(text('report_type'), 'report'), extension: plain(text('format'), 'pdf') };
    case 'bulk_import_job':
      return { name: 'load_report', extension: 'csv' };
    default:
      return { name: plain(type.replace(/_job$/, ''), 'file'), extension: sniff(bytes) };
  }
}

/** Only what is plain in a file's name; else `standard`. */
const plain = (text: string, standard: string): string => (/^\w[\w-]{0,63}$/.test(text) ? text : standard);

function sniff(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.subarray(0, 4)).toString('latin1');
  if (start === '%PDF') return 'pdf';
  if (start === 'PK\x03\x04') return 'xlsx';
  return 'bin';
}
