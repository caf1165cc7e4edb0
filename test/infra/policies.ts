import { at, plain, type Synthesized } from './synthesize.ts';

export interface Statement {
  readonly actions: readonly string[];
  /** With references in angle brackets: `<Table.Arn>/index/by-repo`. */
  readonly resources: readonly string[];
  readonly condition: unknown;
}

/** All that a role may do by the policies of the stack. */
export const statementsOf = (stack: Pick<Synthesized, 'all'>, role: string): readonly Statement[] =>
  stack
    .all('AWS::IAM::Policy')
    .filter(([, { Properties }]) => JSON.stringify(Properties['Roles']).includes(`"${role}`))
    .flatMap(([, { Properties }]) => statementsIn(Properties['PolicyDocument']));

/** What a policy document of a template says. */
export function statementsIn(document: unknown): readonly Statement[] {
  return (at(document, 'Statement') as Record<string, unknown>[]).map((statement) => {
    if (statement['Effect'] !== 'Allow') throw new Error('Only statements that allow are known here.');
    return {
      actions: [statement['Action']].flat() as string[],
      resources: [statement['Resource']].flat().map(rendered),
      condition: statement['Condition'],
    };
  });
}

/** Something that is asked of AWS. */
export interface Request {
  readonly action: string;
  readonly resource: string;
  /** What conditions look at, by key such as `dynamodb:LeadingKeys`. */
  readonly context?: Readonly<Record<string, readonly string[]>>;
}

/**
 * Whether statements allow a request, by the rules of IAM (User Guide, "Policy evaluation logic", "IAM JSON policy
 * elements: Condition operators", "Multivalued context keys"). Throws at a condition that it does not know.
 *
 * @param named puts ARNs in the place of references
 */
export const isAllowed = (
  statements: readonly Statement[],
  request: Request,
  named = (text: string) => text,
): boolean =>
  statements.some(
    ({ actions, resources, condition }) =>
      actions.some((action) => isLike(request.action.toLowerCase(), action.toLowerCase())) &&
      resources.some((resource) => isLike(request.resource, named(resource))) &&
      Object.entries((condition ?? {}) as Record<string, Record<string, string | string[]>>).every(([operator, keys]) =>
        Object.entries(keys).every(([key, wanted]) => holds(operator, [wanted].flat(), request.context?.[key])),
      ),
  );

function holds(operator: string, wanted: readonly string[], given: readonly string[] | undefined): boolean {
  const fits = (value: string) => wanted.some((pattern) => isLike(value, pattern));
  if (operator === 'ForAllValues:StringLike') return (given ?? []).every(fits);
  if (operator === 'StringLike') return given?.length === 1 && given.every(fits);
  if (operator === 'Null') return (given === undefined || given.length === 0) === (wanted[0] === 'true');
  throw new Error(`The condition ${operator} is not known here.`);
}

/** `*` stands for any characters, `?` for one. */
const isLike = (text: string, pattern: string) =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
    's',
  ).test(text);

/** The logical ids of all roles, without CDK's hash. */
export const rolesOf = (stack: Pick<Synthesized, 'all'>) => stack.all('AWS::IAM::Role').map(([id]) => plain(id));

function rendered(resource: unknown): string {
  if (typeof resource === 'string') return resource;
  const {
    Ref,
    'Fn::GetAtt': attribute,
    'Fn::Join': join,
    'Fn::ImportValue': name,
  } = resource as Record<string, unknown>;
  if (name) return `<${name}>`;
  if (Ref) return `<${plain(String(Ref))}>`;
  if (attribute) {
    const [id = '', name] = attribute as string[];
    return `<${plain(id)}.${name}>`;
  }
  return (join as [string, unknown[]])[1].map(rendered).join('');
}
