// Every time and size of the service, with its unit and why it is what it is (design, section 7).

/** Lambda's longest timeout (AWS Lambda quotas). No invocation outlives its start by more than this. */
export const maxInvocationMs = 900_000;

/** How long after a segment's recorded deadline its process is taken to be gone: clocks differ, and freezing takes time. */
export const deadlineMarginMs = 60_000;

/** Grace a runner has after a cancel before its process is killed, unless its type says otherwise. */
export const defaultGraceSeconds = 30;
export const maxGraceSeconds = 600;

/** After the grace the harness kills; a run without a harness is settled by the sweep this much later. */
export const afterGraceMs = 5_000;

/** A type that is no longer registered keeps its place among the queues this long: a create under way may still add a row. */
export const retiredTypeMs = 900_000;

/** Above this, parameters have an item of their own, so that a state change does not rewrite them. */
export const inlineParamsBytes = 500;
export const maxParamsBytes = 128 * 1024;

/** Files of one job. Uploads take a write each in the transaction that creates it, which holds 100 (DynamoDB quotas). */
export const maxFiles = 100;
export const maxUploads = 90;

/** Copied within the bucket while a client waits for create, and the gateway waits 30 s (HTTP API quotas). */
export const maxFileBytes = 2 * 1024 ** 3;
export const maxJobFilesBytes = 4 * 1024 ** 3;

/** How long a file may be sent to its place, and how long it may then wait for its job; the bucket's lifecycle has days. */
export const uploadLinkSeconds = 900;
export const uploadKeptMs = 24 * 3_600_000;

/** How long a repeated create with the same key gives the same job. */
export const idempotencyKeptMs = 24 * 3_600_000;

/** Doorbell lanes (SQS message groups): two, so that one crashed dispatcher does not stop dispatch (design 3.2). */
export const maxLanes = 2;
export const maxThreadCount = 100;

/** Step Functions ends an execution at 25,000 history events; a segment costs five, one after a wait nine. */
export const maxSegments = 2_500;

/** So many segments of a resumable run may break off in a row without a new checkpoint, and it waits so long after each. */
export const interruptionWaitSeconds = [1, 10, 60];
export const maxInterruptions = interruptionWaitSeconds.length;

/** Before a failed body is tried again: 10 s, 40 s, … up to a quarter of an hour. */
export const retryWaitSeconds = (retry: number) => Math.min(10 * 4 ** (retry - 1), 900);
export const maxRetries = 10;

/** How many jobs a sweep compares with their queue rows and slots besides what is on the board. */
export const scrubJobs = 50;

/** A form with files. A Lambda takes 6 MB, and the gateway hands it binary bodies as base64 (AWS Lambda quotas). */
export const maxFormBytes = 4 * 1024 * 1024;
