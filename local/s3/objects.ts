// Buckets and objects: descriptions in the database, bodies in files of their own. A body is complete before the
// database names it, so an object is the old or the new one whenever the process is killed; files that nothing names
// are removed at the next start.
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Database, openDatabase, type Row } from '../sqlite.ts';
import type { Checksum, Received } from './body.ts';
import { noSuchBucket, noSuchKey, noSuchUpload, preconditionFailed, S3Error } from './errors.ts';

const MIN_PART_BYTES = 5 * 1024 * 1024;

const SCHEMA = `
  create table if not exists bucket (name text primary key, created_ms integer not null);
  create table if not exists object (
    bucket text, key text, file text not null, size integer not null, etag text not null, modified_ms integer not null,
    description text not null, primary key (bucket, key));
  create table if not exists upload (id text primary key, bucket text not null, key text not null, description text not null);
  create table if not exists part (
    upload text, number integer, file text not null, size integer not null, md5 text not null, modified_ms integer not null,
    primary key (upload, number));`;

/** What an object carries besides its body. */
export interface Description {
  /** `content-type`, `cache-control` and the like, as they are given back. */
  readonly headers: Readonly<Record<string, string>>;
  /** Without the prefix `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly checksum?: Checksum | undefined;
}

export interface StoredObject {
  readonly key: string;
  /** Path of the body. */
  readonly file: string;
  readonly size: number;
  /** With its quotation marks. */
  readonly etag: string;
  readonly modifiedMs: number;
  readonly description: Description;
}

export interface Part {
  readonly number: number;
  readonly size: number;
  readonly etag: string;
  readonly modifiedMs: number;
}

export class Objects {
  readonly #db: Database;
  readonly #bodies: string;
  readonly #temporary: string | undefined;

  constructor(dir: string | undefined) {
    this.#temporary = dir === undefined ? mkdtempSync(join(tmpdir(), 's3-')) : undefined;
    this.#db = openDatabase(dir, 's3', SCHEMA);
    this.#bodies = join(dir ?? String(this.#temporary), 'bodies');
    mkdirSync(this.#bodies, { recursive: true });
    const named = new Set(
      this.#db.all('select file from object union select file from part').map((row) => row['file']),
    );
    for (const file of readdirSync(this.#bodies)) if (!named.has(file)) rmSync(join(this.#bodies, file));
  }

  close(): void {
    this.#db.close();
    if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true });
  }

  /** Path for a new body. */
  newFile(): string {
    return join(this.#bodies, randomUUID());
  }

  buckets(): { name: string; createdMs: number }[] {
    const rows = this.#db.all('select * from bucket order by name');
    return rows.map((row) => ({ name: String(row['name']), createdMs: Number(row['created_ms']) }));
  }

  createBucket(name: string, nowMs: number): void {
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
      throw new S3Error('InvalidBucketName', 400, 'The specified bucket is not valid.');
    }
    if (this.#db.run('insert or ignore into bucket values (?, ?)', name, nowMs) > 0) return;
    throw new S3Error('BucketAlreadyOwnedByYou', 409, 'The bucket you tried to create already exists, and you own it.');
  }

  /** Throws `NoSuchBucket`. */
  findBucket(name: string): void {
    if (this.#db.one('select 1 from bucket where name = ?', name) === undefined) throw noSuchBucket();
  }

  deleteBucket(name: string): void {
    this.findBucket(name);
    if (this.#db.one('select 1 from object where bucket = ?', name) !== undefined) {
      throw new S3Error('BucketNotEmpty', 409, 'The bucket you tried to delete is not empty');
    }
    this.#db.run('delete from bucket where name = ?', name);
  }

  /** Throws `NoSuchKey`. */
  find(bucket: string, key: string): StoredObject {
    this.findBucket(bucket);
    const row = this.#db.one('select * from object where bucket = ? and key = ?', bucket, key);
    if (row === undefined) throw noSuchKey();
    return this.#toObject(row);
  }

  /**
   * Makes a received body the object of this key, in one step.
   *
   * @param onlyIfAbsent throws `PreconditionFailed` when there is one already: of several at once, one wins
   */
  put(
    bucket: string,
    object: Omit<StoredObject, 'modifiedMs'>,
    { onlyIfAbsent, nowMs }: { readonly onlyIfAbsent: boolean; readonly nowMs: number },
  ): void {
    const old = this.#db.one('select file from object where bucket = ? and key = ?', bucket, object.key);
    if (onlyIfAbsent && old !== undefined) throw preconditionFailed();
    this.#db.run(
      'insert or replace into object values (?, ?, ?, ?, ?, ?, ?)',
      bucket,
      object.key,
      object.file.slice(this.#bodies.length + 1),
      object.size,
      object.etag,
      nowMs,
      JSON.stringify(object.description),
    );
    if (old !== undefined) this.#remove(old);
  }

  describe(bucket: string, key: string, description: Description): void {
    const sql = 'update object set description = ? where bucket = ? and key = ?';
    this.#db.run(sql, JSON.stringify(description), bucket, key);
  }

  /** Deletes an object; there need not be one. */
  delete(bucket: string, key: string): void {
    this.findBucket(bucket);
    const old = this.#db.one('select file from object where bucket = ? and key = ?', bucket, key);
    this.#db.run('delete from object where bucket = ? and key = ?', bucket, key);
    if (old !== undefined) this.#remove(old);
  }

  /** A copy of an object's body, for a new object. */
  async copyBody(source: StoredObject): Promise<string> {
    const file = this.newFile();
    await copyFile(source.file, file);
    return file;
  }

  /** All objects whose key starts with `prefix` and comes after `after`, by the bytes of their keys. */
  list(bucket: string, prefix: string, after: string): StoredObject[] {
    this.findBucket(bucket);
    const sql = 'select * from object where bucket = ? and key >= ? and key > ? and substr(key, 1, ?) = ? order by key';
    return this.#db.all(sql, bucket, prefix, after, [...prefix].length, prefix).map((row) => this.#toObject(row));
  }

  startUpload(bucket: string, key: string, description: Description): string {
    this.findBucket(bucket);
    const id = randomUUID();
    this.#db.run('insert into upload values (?, ?, ?, ?)', id, bucket, key, JSON.stringify(description));
    return id;
  }

  /** Throws `NoSuchUpload`. */
  findUpload(bucket: string, key: string, id: string): Description {
    const row = this.#db.one('select * from upload where id = ? and bucket = ? and key = ?', id, bucket, key);
    if (row === undefined) throw noSuchUpload();
    return JSON.parse(String(row['description'])) as Description;
  }

  putPart(upload: string, number: number, file: string, received: Received, nowMs: number): string {
    const old = this.#db.one('select file from part where upload = ? and number = ?', upload, number);
    const md5 = received.md5.toString('hex');
    const name = file.slice(this.#bodies.length + 1);
    this.#db.run(
      'insert or replace into part values (?, ?, ?, ?, ?, ?)',
      upload,
      number,
      name,
      received.size,
      md5,
      nowMs,
    );
    if (old !== undefined) this.#remove(old);
    return `"${md5}"`;
  }

  parts(upload: string): (Part & { readonly file: string })[] {
    return this.#db.all('select * from part where upload = ? order by number', upload).map((row) => ({
      number: Number(row['number']),
      size: Number(row['size']),
      etag: `"${row['md5']}"`,
      modifiedMs: Number(row['modified_ms']),
      file: join(this.#bodies, String(row['file'])),
    }));
  }

  /** Joins the named parts to one body. Throws `InvalidPart`, `InvalidPartOrder` or `EntityTooSmall`. */
  async joinParts(
    upload: string,
    named: readonly { number: number; etag: string }[],
  ): Promise<Omit<StoredObject, 'key' | 'modifiedMs' | 'description'>> {
    const stored = new Map(this.parts(upload).map((part) => [part.number, part]));
    const chosen = named.map(({ number, etag }, i) => {
      if (i > 0 && number <= (named[i - 1]?.number ?? 0)) {
        throw new S3Error('InvalidPartOrder', 400, 'The list of parts was not in ascending order.');
      }
      const part = stored.get(number);
      if (part === undefined || part.etag.replaceAll('"', '') !== etag.replaceAll('"', '')) {
        throw new S3Error('InvalidPart', 400, 'One or more of the specified parts could not be found.');
      }
      if (i < named.length - 1 && part.size < MIN_PART_BYTES) {
        throw new S3Error('EntityTooSmall', 400, 'Your proposed upload is smaller than the minimum allowed size');
      }
      return part;
    });
    const file = this.newFile();
    await pipeline(async function* () {
      for (const part of chosen) yield* createReadStream(part.file);
    }, createWriteStream(file));
    const md5 = createHash('md5');
    for (const part of chosen) md5.update(Buffer.from(part.etag.replaceAll('"', ''), 'hex'));
    const size = chosen.reduce((sum, part) => sum + part.size, 0);
    return { file, size, etag: `"${md5.digest('hex')}-${chosen.length}"` };
  }

  endUpload(upload: string): void {
    const files = this.#db.all('select file from part where upload = ?', upload);
    this.#db.atomically(() => {
      this.#db.run('delete from part where upload = ?', upload);
      this.#db.run('delete from upload where id = ?', upload);
    });
    for (const row of files) this.#remove(row);
  }

  #toObject(row: Row): StoredObject {
    return {
      key: String(row['key']),
      file: join(this.#bodies, String(row['file'])),
      size: Number(row['size']),
      etag: String(row['etag']),
      modifiedMs: Number(row['modified_ms']),
      description: JSON.parse(String(row['description'])) as Description,
    };
  }

  /** A reader that has the file open keeps it. */
  #remove(row: Row): void {
    rm(join(this.#bodies, String(row['file'])), { force: true }).catch((error: unknown) => console.error(error));
  }
}
