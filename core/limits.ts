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

/** Doorbell lanes (SQS message groups): two, so that one crashed dispatcher does not stop dispatch (design 3.2). */
export const maxLanes = 2;
export const maxThreadCount = 100;

/** Step Functions ends an execution at 25,000 history events; a segment costs five. */
export const maxSegments = 4_000;

/** How many jobs a sweep compares with their queue rows and slots besides what is on the board. */
export const scrubJobs = 50;
