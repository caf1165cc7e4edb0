import { readFileSync } from 'node:fs';
import { CfnOutput, Duration, Fn, RemovalPolicy } from 'aws-cdk-lib';
import type { HttpApi } from 'aws-cdk-lib/aws-apigatewayv2';
import {
  AllowedMethods,
  type BehaviorOptions,
  CachePolicy,
  Distribution,
  Function as EdgeFunction,
  FunctionCode,
  FunctionEventType,
  FunctionRuntime,
  HeadersReferrerPolicy,
  HttpVersion,
  OriginRequestPolicy,
  PriceClass,
  ResponseHeadersPolicy,
  ViewerProtocolPolicy,
} from 'aws-cdk-lib/aws-cloudfront';
import { HttpOrigin, S3BucketOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Settings } from './settings.ts';

/**
 * Addresses of the page that are no files, such as /ui/repositories/2/jobs/7, are its index.html; `/` leads to it.
 * ES5.1 with some of ES6, as CloudFront's runtime has it.
 */
const toTheFile = `function handler(event) {
  var request = event.request;
  var uri = request.uri;
  if (uri === '/' || uri === '/ui') {
    return { statusCode: 302, statusDescription: 'Found', headers: { location: { value: '/ui/' } } };
  }
  if (uri.indexOf('/ui/assets/') !== 0) request.uri = '/ui/index.html';
  return request;
}
`;

/** What CloudFront would otherwise keep for ten seconds: an answer that is wrong now may be right at the next try. */
const errors = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

/**
 * The page in a private bucket, and the edge that serves it under the address of the API. Nothing relies on the edge
 * for safety: the API checks each request by itself, also when it is asked directly. No error page of its own: it would
 * turn the API's refusals into HTML. The files come by `npm run deploy:page`.
 */
export function makePage(scope: Construct, settings: Settings, api: HttpApi, files: Bucket): Distribution {
  const bucket = new Bucket(scope, 'Page', {
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    encryption: BucketEncryption.S3_MANAGED,
    enforceSSL: true,
    // Everything in it can be built again; it is emptied by hand before it is deleted.
    removalPolicy: RemovalPolicy.RETAIN,
  });
  const edge = new EdgeFunction(scope, 'PageAddresses', {
    code: FunctionCode.fromInline(toTheFile),
    runtime: FunctionRuntime.JS_2_0,
    comment: 'Deep links of the page are its index.html',
  });
  const page: BehaviorOptions = {
    origin: S3BucketOrigin.withOriginAccessControl(bucket as IBucket),
    viewerProtocolPolicy: ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
    // Goes by each file's cache-control: a year with a hash in the name, not at all for index.html.
    cachePolicy: CachePolicy.CACHING_OPTIMIZED,
    responseHeadersPolicy: makeHeaders(scope, settings, files),
    functionAssociations: [{ function: edge, eventType: FunctionEventType.VIEWER_REQUEST }],
  };
  const distribution = new Distribution(scope, 'Edge', {
    comment: `background-jobs-${settings.stage}`,
    priceClass: PriceClass.PRICE_CLASS_100,
    httpVersion: HttpVersion.HTTP2_AND_3,
    defaultBehavior: {
      origin: new HttpOrigin(Fn.select(2, Fn.split('/', api.apiEndpoint))),
      allowedMethods: AllowedMethods.ALLOW_ALL,
      viewerProtocolPolicy: ViewerProtocolPolicy.HTTPS_ONLY,
      cachePolicy: CachePolicy.CACHING_DISABLED,
      originRequestPolicy: OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
    },
    additionalBehaviors: { '/': page, '/ui': page, '/ui/*': page },
    errorResponses: errors.map((httpStatus) => ({ httpStatus, ttl: Duration.seconds(0) })),
  });
  new CfnOutput(scope, 'PageUrl', {
    value: `https://${distribution.distributionDomainName}/ui/`,
    description: 'Where staff go.',
  });
  new CfnOutput(scope, 'PageBucket', { value: bucket.bucketName, description: 'For npm run deploy:page.' });
  return distribution;
}

/** The headers of ui/headers.json, which the local stack sends as well. */
function makeHeaders(scope: Construct, { oidc }: Settings, files: Bucket): ResponseHeadersPolicy {
  const headers = JSON.parse(readFileSync(new URL('../ui/headers.json', import.meta.url), 'utf8')) as Record<
    string,
    string
  >;
  const issuer = oidc ? ` ${new URL(oidc.issuer).origin}` : '';
  const policy = headers['content-security-policy']?.replace(
    '{connect}',
    `https://${files.bucketRegionalDomainName}${issuer}`,
  );
  return new ResponseHeadersPolicy(scope, 'PageHeaders', {
    securityHeadersBehavior: {
      contentSecurityPolicy: { contentSecurityPolicy: policy ?? "default-src 'none'", override: true },
      contentTypeOptions: { override: true },
      referrerPolicy: { referrerPolicy: HeadersReferrerPolicy.NO_REFERRER, override: true },
      strictTransportSecurity: { accessControlMaxAge: Duration.days(365), override: true },
    },
    customHeadersBehavior: {
      customHeaders: ['cross-origin-opener-policy', 'permissions-policy'].map((header) => ({
        header,
        value: headers[header] ?? '',
        override: true,
      })),
    },
  });
}
