import { CfnOutput, RemovalPolicy } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import {
  type CfnStage,
  HttpApi,
  HttpMethod,
  type HttpRoute,
  HttpStage,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { type Route, routes } from '../functions/api/routes.ts';

/** Requests a second, and at once, of all clients together: many staff with a page open, and no more than Lambda likes. */
const throttle = { rateLimit: 50, burstLimit: 100 };
/** Of all clients together: whoever tries one password on many users is slowed down here (aws-review.md M27). */
const loginThrottle = { ThrottlingRateLimit: 5, ThrottlingBurstLimit: 20 };

/**
 * What is logged of a request. No headers and no query: a session is in the one and may be in the other. Names of
 * users are in some paths, so the route's pattern is logged in place of the path.
 */
const accessLog = {
  time: '$context.requestTime',
  request: '$context.requestId',
  ip: '$context.identity.sourceIp',
  route: '$context.routeKey',
  status: '$context.status',
  bytes: '$context.responseLength',
  ms: '$context.responseLatency',
  error: '$context.integrationErrorMessage',
};

/** The HTTP API: one route for each line of functions/api/routes.ts, to its function. No CORS: the page has the same origin. */
export function makeApi(
  scope: Construct,
  stage: string,
  logRetentionDays: number,
  functions: Readonly<Record<Route['function'], IFunction>>,
): HttpApi {
  const api = new HttpApi(scope, 'Api', { apiName: `background-jobs-${stage}`, createDefaultStage: false });
  const integrations = new Map(
    Object.entries(functions).map(([name, handler]) => [
      name,
      // One permission for each function: those of single routes would outgrow a function's policy.
      new HttpLambdaIntegration(`Call-${name}`, handler, { scopePermissionToRoute: false }),
    ]),
  );
  const logins: HttpRoute[] = [];
  for (const { method, path, operation, function: name } of routes) {
    const integration = integrations.get(name);
    if (!integration) continue;
    const added = api.addRoutes({ path, methods: [HttpMethod[method]], integration });
    if (operation === 'login') logins.push(...added);
  }
  const logGroup = new LogGroup(scope, 'ApiLogs', {
    retention: logRetentionDays,
    removalPolicy: RemovalPolicy.RETAIN,
  });
  const apiStage = new HttpStage(scope, 'ApiStage', {
    httpApi: api,
    stageName: '$default',
    autoDeploy: true,
    throttle,
    accessLogSettings: {
      destination: new LogGroupLogDestination(logGroup),
      format: AccessLogFormat.custom(JSON.stringify(accessLog)),
    },
  });
  (apiStage.node.defaultChild as CfnStage).routeSettings = Object.fromEntries(
    logins.map(({ path = '' }) => [`POST ${path}`, loginThrottle]),
  );
  // A stage cannot have settings for a route that is not there yet.
  apiStage.node.addDependency(...logins);
  new CfnOutput(scope, 'ApiUrl', { value: api.apiEndpoint, description: 'Where the API answers.' });
  return api;
}
