import { at, plain, type Synthesized } from './synthesize.ts';

export interface Statement {
  readonly actions: readonly string[];
  /** With references in angle brackets: `<Table.Arn>/index/by-repo`. */
  readonly resources: readonly string[];
  readonly condition: unknown;
}

/** All that a role may do by the policies of the stack. */
export function statementsOf(stack: Synthesized, role: string): readonly Statement[] {
  return stack
    .all('AWS::IAM::Policy')
    .filter(([, { Properties }]) => JSON.stringify(Properties['Roles']).includes(`"${role}`))
    .flatMap(([, { Properties }]) => at(Properties, 'PolicyDocument', 'Statement') as Record<string, unknown>[])
    .map((statement) => ({
      actions: [statement['Action']].flat() as string[],
      resources: [statement['Resource']].flat().map(rendered),
      condition: statement['Condition'],
    }));
}

/** The logical ids of all roles, without CDK's hash. */
export const rolesOf = (stack: Synthesized) => stack.all('AWS::IAM::Role').map(([id]) => plain(id));

function rendered(resource: unknown): string {
  if (typeof resource === 'string') return resource;
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Join': join } = resource as Record<string, unknown>;
  if (Ref) return `<${plain(String(Ref))}>`;
  if (attribute) {
    const [id = '', name] = attribute as string[];
    return `<${plain(id)}.${name}>`;
  }
  return (join as [string, unknown[]])[1].map(rendered).join('');
}
