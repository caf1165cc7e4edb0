// Puts the built page into its bucket: `npm run deploy:page -- --bucket <the output PageBucket>`.
import { globSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { parseArgs } from 'node:util';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import './build-ui.ts';

const { values } = parseArgs({ options: { bucket: { type: 'string' }, region: { type: 'string' } } });
if (!values.bucket) throw new Error('Name the bucket: npm run deploy:page -- --bucket <the output PageBucket>');
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
};
const client = new S3Client({ ...(values.region && { region: values.region }) });
// index.html last: it names the others. Old ones stay, for pages that are open.
const paths = [...globSync('ui/dist/assets/*').sort(), 'ui/dist/index.html'];
for (const path of paths) {
  const key = path.replace('ui/dist/', 'ui/');
  await client.send(
    new PutObjectCommand({
      Bucket: values.bucket,
      Key: key,
      Body: readFileSync(path),
      ContentType: types[extname(path)] ?? 'application/octet-stream',
      CacheControl: key.startsWith('ui/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    }),
  );
  console.log(key);
}
