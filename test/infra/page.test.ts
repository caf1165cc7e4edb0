import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, test } from 'vitest';
import { at, type Synthesized, synthesize } from './synthesize.ts';

let stack: Synthesized;
beforeAll(async () => {
  stack = await synthesize({
    oidc_issuer: 'https://login.example.org/realms/staff',
    oidc_audience: 'jobs',
    oidc_groups: JSON.stringify({ staff: { '/repositories/2': 'repository-viewers' } }),
  });
});
const config = () => at(stack.one('AWS::CloudFront::Distribution'), 'DistributionConfig') as Record<string, unknown>;

describe('the edge in front of the API', () => {
  test('caches nothing of the API, and passes all of a request on', () => {
    expect(config()['DefaultCacheBehavior']).toMatchObject({
      AllowedMethods: ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'POST', 'DELETE'],
      // Managed policies: CachingDisabled, AllViewerExceptHostHeader.
      CachePolicyId: '4135ea2d-6df8-44a3-9df3-4b5a84be39ad',
      OriginRequestPolicyId: 'b689b0a8-53d0-40ab-baf2-68738e2966ac',
      ViewerProtocolPolicy: 'https-only',
    });
  });

  test('keeps no error, and shows none of its own in place of the API’s', () => {
    const responses = config()['CustomErrorResponses'] as readonly Record<string, unknown>[];

    expect(responses.map(({ ErrorCode }) => ErrorCode)).toEqual(expect.arrayContaining([403, 404, 500, 503]));
    for (const response of responses) {
      expect(response['ErrorCachingMinTTL']).toBe(0);
      expect(response).not.toHaveProperty('ResponsePagePath');
    }
  });

  test('the bucket of the page is private, and only this edge reads it', () => {
    expect(stack.one('AWS::S3::Bucket', 'Page')).toMatchObject({
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, RestrictPublicBuckets: true },
    });
    const policy = JSON.stringify(stack.one('AWS::S3::BucketPolicy', 'PagePolicy'));
    expect(policy).toContain('cloudfront.amazonaws.com');
    expect(policy).toContain('AWS:SourceArn');
    expect(policy).not.toContain('s3:ListBucket');
  });

  test('the page may run its own scripts, and talk to the API, the bucket of files and the issuer', () => {
    const headers = JSON.stringify(stack.one('AWS::CloudFront::ResponseHeadersPolicy'));

    expect(headers).toContain("script-src 'self'");
    expect(headers).toContain('https://login.example.org');
    expect(headers).not.toMatch(/unsafe-(eval|inline)|\{connect\}/);
  });

  test('deep links are the page, files are files, and the root leads to it', () => {
    const code = String(at(stack.one('AWS::CloudFront::Function'), 'FunctionCode'));
    const ask = (uri: string) =>
      runInNewContext(`${code}; handler({ request: { uri: ${JSON.stringify(uri)} } })`) as Record<string, unknown>;

    expect(ask('/ui/repositories/2/jobs/7')['uri']).toBe('/ui/index.html');
    expect(ask('/ui/')['uri']).toBe('/ui/index.html');
    expect(ask('/ui/assets/index-abc.js')['uri']).toBe('/ui/assets/index-abc.js');
    expect(ask('/')).toMatchObject({ statusCode: 302, headers: { location: { value: '/ui/' } } });
  });
});

test('a deployment can do without it', async () => {
  const without = await synthesize({ page: 'off' });

  expect(without.all('AWS::CloudFront::Distribution')).toEqual([]);
  expect(without.outputs).not.toContain('PageUrl');
});
