import { element, toXml } from './xml.ts';

/** An error that S3 answers with. */
export class S3Error extends Error {
  readonly code: string;
  readonly statusCode: number;

  constructor(code: string, statusCode: number, message: string) {
    super(message);
    this.code = code;
    this.statusCode = statusCode;
  }

  toXml(resource: string): string {
    return toXml('Error', element('Code', this.code), element('Message', this.message), element('Resource', resource));
  }
}

export const accessDenied = (message: string) => new S3Error('AccessDenied', 403, message);

export const noSuchBucket = () => new S3Error('NoSuchBucket', 404, 'The specified bucket does not exist');

export const noSuchKey = () => new S3Error('NoSuchKey', 404, 'The specified key does not exist.');

export const noSuchUpload = () =>
  new S3Error('NoSuchUpload', 404, 'The specified upload does not exist. It may have been aborted or completed.');

export const preconditionFailed = () =>
  new S3Error('PreconditionFailed', 412, 'At least one of the pre-conditions you specified did not hold');

export const notImplemented = (what: string) =>
  new S3Error('NotImplemented', 501, `This emulator does not implement ${what}.`);
