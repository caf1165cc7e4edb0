// dynalite's operations by DynamoDB's names: how a request is checked, and what runs it.
import batchGetItem from 'dynalite/actions/batchGetItem.js';
import batchWriteItem from 'dynalite/actions/batchWriteItem.js';
import createTable from 'dynalite/actions/createTable.js';
import deleteItem from 'dynalite/actions/deleteItem.js';
import deleteTable from 'dynalite/actions/deleteTable.js';
import describeTable from 'dynalite/actions/describeTable.js';
import getItem from 'dynalite/actions/getItem.js';
import listTables from 'dynalite/actions/listTables.js';
import putItem from 'dynalite/actions/putItem.js';
import query from 'dynalite/actions/query.js';
import scan from 'dynalite/actions/scan.js';
import updateItem from 'dynalite/actions/updateItem.js';
import type { Store } from 'dynalite/db/index.js';
import batchGetItemRules from 'dynalite/validations/batchGetItem.js';
import batchWriteItemRules from 'dynalite/validations/batchWriteItem.js';
import createTableRules from 'dynalite/validations/createTable.js';
import deleteItemRules from 'dynalite/validations/deleteItem.js';
import deleteTableRules from 'dynalite/validations/deleteTable.js';
import describeTableRules from 'dynalite/validations/describeTable.js';
import getItemRules from 'dynalite/validations/getItem.js';
import validations from 'dynalite/validations/index.js';
import listTablesRules from 'dynalite/validations/listTables.js';
import putItemRules from 'dynalite/validations/putItem.js';
import queryRules from 'dynalite/validations/query.js';
import scanRules from 'dynalite/validations/scan.js';
import updateItemRules from 'dynalite/validations/updateItem.js';

const operations = {
  BatchGetItem: { run: batchGetItem, rules: batchGetItemRules },
  BatchWriteItem: { run: batchWriteItem, rules: batchWriteItemRules },
  CreateTable: { run: createTable, rules: createTableRules },
  DeleteItem: { run: deleteItem, rules: deleteItemRules },
  DeleteTable: { run: deleteTable, rules: deleteTableRules },
  DescribeTable: { run: describeTable, rules: describeTableRules },
  GetItem: { run: getItem, rules: getItemRules },
  ListTables: { run: listTables, rules: listTablesRules },
  PutItem: { run: putItem, rules: putItemRules },
  Query: { run: query, rules: queryRules },
  Scan: { run: scan, rules: scanRules },
  UpdateItem: { run: updateItem, rules: updateItemRules },
} as const;

export type OperationName = keyof typeof operations;

/** What a checked request carries, as far as this folder reads it. */
export interface CheckedRequest {
  readonly TableName: string;
  readonly ReturnConsumedCapacity?: 'NONE' | 'TOTAL' | 'INDEXES';
  readonly ConsistentRead?: boolean;
}

/** An error of AWS: its status and the JSON body that tells the client its name. */
export interface ServiceError extends Error {
  readonly statusCode: number;
  readonly body: { readonly __type: string; message?: string; [member: string]: unknown };
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'statusCode' in error && 'body' in error;
}

/** An error of DynamoDB's own namespace, for example `TransactionCanceledException`. */
export function serviceError(name: string, message: string, members: Record<string, unknown> = {}): ServiceError {
  const body = { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message, Message: message, ...members };
  return Object.assign(new Error(message), { statusCode: 400, body });
}

/**
 * Checks a request as DynamoDB does before it looks at any table: types, limits, expressions. Members that dynalite
 * does not know are dropped. Throws a `ServiceError`.
 */
export function checkRequest(name: OperationName, request: object, store: Store): CheckedRequest {
  const { types, custom } = operations[name].rules as { types: object; custom?: unknown };
  const data = validations.checkTypes({ ...request }, types);
  validations.checkValidations(data, types, custom, store);
  return data as unknown as CheckedRequest;
}

/** Runs a checked request. Rejects with a `ServiceError` for what AWS refuses. */
export function runOperation(name: OperationName, data: object, store: Store): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    operations[name].run(store, data, (error, result) => {
      if (error) reject(error);
      else resolve(result as Record<string, unknown>);
    });
  });
}
