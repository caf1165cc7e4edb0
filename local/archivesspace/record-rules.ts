/**
 * What a record must be to be taken: the core of ArchivesSpace's own schemas (`common/schemas/*.rb`) and of the checks
 * beside them (`common/validations.rb`). Properties that are not named are kept unseen.
 * Not checked: lists of values that an import may add to (extent types, container types, date labels, languages).
 */
import { Ajv, type ErrorObject } from 'ajv';

const LEVELS = [
  'class',
  'collection',
  'file',
  'fonds',
  'item',
  'otherlevel',
  'recordgrp',
  'series',
  'subfonds',
  'subgrp',
  'subseries',
];
const MULTIPART_NOTES = [
  'accessrestrict',
  'accruals',
  'acqinfo',
  'altformavail',
  'appraisal',
  'arrangement',
  'bioghist',
  'custodhist',
  'dimensions',
  'fileplan',
  'legalstatus',
  'odd',
  'originalsloc',
  'otherfindaid',
  'phystech',
  'prefercite',
  'processinfo',
  'relatedmaterial',
  'scopecontent',
  'separatedmaterial',
  'userestrict',
];
const SINGLEPART_NOTES = ['abstract', 'langmaterial', 'materialspec', 'physdesc', 'physfacet', 'physloc'];

const text = (maxLength = 255) => ({ type: 'string', minLength: 1, maxLength });
const optionalText = (maxLength = 255) => ({ type: 'string', maxLength });
const list = (items: object, minItems = 0) => ({ type: 'array', items, minItems });
const object = (required: readonly string[], properties: object) => ({ type: 'object', required, properties });
const ref = (target: string) =>
  object(['ref'], { ref: { type: 'string', pattern: `^(/repositories/\\d+)?/${target}/(\\d+|import_[a-f0-9-]+)$` } });

const date = object(['date_type', 'label'], {
  date_type: { enum: ['single', 'bulk', 'inclusive', 'range'] },
  label: text(),
  expression: optionalText(),
  begin: optionalText(),
  end: optionalText(),
});
const extent = object(['portion', 'number', 'extent_type'], {
  portion: { enum: ['whole', 'part'] },
  number: text(),
  extent_type: text(),
  container_summary: optionalText(65_000),
  physical_details: optionalText(65_000),
  dimensions: optionalText(),
});
const language = object([], {
  language_and_script: object(['language'], {
    language: { type: 'string', pattern: '^[a-z]{3}$' },
    script: { type: 'string', pattern: '^[A-Z][a-z]{3}$' },
  }),
  language_note: object(['content'], { content: list(optionalText(65_000), 1) }),
});
const note = {
  type: 'object',
  required: ['jsonmodel_type'],
  properties: {
    jsonmodel_type: { enum: ['note_bibliography', 'note_index', 'note_multipart', 'note_singlepart'] },
    label: optionalText(65_000),
    publish: { type: 'boolean' },
  },
  allOf: [
    {
      if: { properties: { jsonmodel_type: { const: 'note_multipart' } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: object(['type', 'subnotes'], {
        type: { enum: MULTIPART_NOTES },
        subnotes: list(object(['jsonmodel_type'], { content: { anyOf: [text(65_000), list(text(65_000))] } }), 1),
      }),
    },
    {
      if: { properties: { jsonmodel_type: { const: 'note_singlepart' } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: object(['type', 'content'], { type: { enum: SINGLEPART_NOTES }, content: list(text(65_000), 1) }),
    },
  ],
};
const instance = object(['instance_type'], {
  instance_type: text(),
  sub_container: object(['top_container'], {
    top_container: ref('top_containers'),
    type_2: optionalText(),
    indicator_2: optionalText(),
    type_3: optionalText(),
    indicator_3: optionalText(),
  }),
});
const described = {
  publish: { type: 'boolean' },
  level: { enum: LEVELS },
  other_level: optionalText(),
  notes: list(note),
  instances: list(instance),
  subjects: list(ref('subjects')),
  linked_agents: list({
    allOf: [ref('agents/[a-z_]+'), object(['role'], { role: { enum: ['creator', 'source', 'subject'] } })],
  }),
};
const agent = (name: object) => object(['names'], { names: list(name, 1) });

const SCHEMAS: Readonly<Record<string, object>> = {
  resource: object(
    ['title', 'id_0', 'level', 'extents', 'dates', 'lang_materials', 'finding_aid_language', 'finding_aid_script'],
    {
      ...described,
      title: text(16_384),
      id_0: text(),
      id_1: optionalText(),
      id_2: optionalText(),
      id_3: optionalText(),
      ead_id: optionalText(),
      finding_aid_language: text(),
      finding_aid_script: text(),
      extents: list(extent, 1),
      dates: list(date, 1),
      lang_materials: list(language, 1),
    },
  ),
  archival_object: object(['level', 'resource'], {
    ...described,
    title: optionalText(8_192),
    ref_id: { type: 'string', maxLength: 255, pattern: '^[a-zA-Z0-9\\-_:.]*$' },
    component_id: optionalText(),
    position: { type: 'integer', minimum: 0 },
    resource: ref('resources'),
    parent: ref('archival_objects'),
    extents: list(extent),
    dates: list(date),
    lang_materials: list(language),
  }),
  top_container: object(['indicator'], { indicator: text(), type: optionalText(), barcode: optionalText() }),
  subject: object(['source', 'vocabulary', 'terms'], {
    source: text(),
    vocabulary: text(),
    terms: list(
      object(['term', 'term_type', 'vocabulary'], { term: text(), term_type: text(), vocabulary: text() }),
      1,
    ),
  }),
  agent_person: agent(object(['primary_name', 'name_order'], { primary_name: text(), name_order: text() })),
  agent_corporate_entity: agent(object(['primary_name'], { primary_name: text() })),
  agent_family: agent(object(['family_name'], { family_name: text() })),
};

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });
const validators = new Map(Object.entries(SCHEMAS).map(([type, schema]) => [type, ajv.compile(schema)]));

/** What is wrong, by the property's path with slashes, in ArchivesSpace's words; empty when nothing is. */
export type Problems = Readonly<Record<string, readonly string[]>>;

/** Checks one record by itself, without what it refers to. A type that cannot be imported is a problem as well. */
export function checkRecord(record: Readonly<Record<string, unknown>>): Problems {
  const type = record['jsonmodel_type'];
  const validate = validators.get(String(type));
  if (validate === undefined) return { jsonmodel_type: [`No such record type: ${String(type)}`] };

  const problems: Record<string, string[]> = {};
  const add = (path: string, message: string) => {
    problems[path] = [...(problems[path] ?? []), message];
  };
  if (!validate(record)) {
    for (const [path, message] of (validate.errors ?? []).map(explain).filter((one) => one !== undefined)) {
      add(path, message);
    }
  }
  // The rest reads properties whose shape is known by then.
  if (Object.keys(problems).length === 0) checkMeaning(record, add);
  return problems;
}

/** Where it is wrong and how, in ArchivesSpace's words; undefined for an error that only sums up others. */
function explain({ instancePath, keyword, params, message }: ErrorObject): [path: string, message: string] | undefined {
  const path = instancePath.slice(1);
  switch (keyword) {
    case 'required':
      return [[path, params['missingProperty']].filter(Boolean).join('/'), 'Property is required but was missing'];
    case 'minLength':
      return [path, 'Property was missing'];
    case 'maxLength':
      return [path, `Must be ${params['limit']} characters or fewer`];
    case 'minItems':
      return [path, `At least ${params['limit']} item(s) is required`];
    case 'enum':
      return [path, `Invalid value. Must be one of: ${params['allowedValues'].join(', ')}`];
    case 'pattern':
      return [path, `Did not match regular expression: ${params['pattern']}`];
    case 'if':
      return undefined;
    default:
      return [path, message ?? keyword];
  }
}

function checkMeaning(record: Readonly<Record<string, unknown>>, add: (path: string, message: string) => void): void {
  const type = record['jsonmodel_type'];
  objectsIn(record['dates']).forEach((one, index) => {
    checkDate(one, (property, message) => add(`dates/${index}/${property}`, message));
  });
  objectsIn(record['instances']).forEach((one, index) => {
    if (one['instance_type'] === 'digital_object') return;
    checkSubContainer(one['sub_container'], (property, message) => add(`instances/${index}/${property}`, message));
  });
  if (type === 'resource') {
    const ids = [0, 1, 2, 3].map((n) => record[`id_${n}`] ?? '');
    const last = ids.findLastIndex((id) => id !== '');
    if (ids.slice(0, last).includes('')) add('identifier', 'must not contain blank entries');
    const languages = objectsIn(record['lang_materials']).filter((one) => isObject(one['language_and_script']));
    if (languages.length === 0) add('lang_materials', 'must contain at least one language');
  }
  if (type === 'archival_object' && !record['title'] && objectsIn(record['dates']).length === 0) {
    add('dates', 'one or more required (or enter a Title)');
    add('title', 'must not be an empty string (or enter a Date)');
  }
}

function checkSubContainer(container: unknown, add: (property: string, message: string) => void): void {
  if (!isObject(container)) {
    add('sub_container', "Can't be empty");
    return;
  }
  for (const n of [2, 3]) {
    if ((container[`type_${n}`] === undefined) !== (container[`indicator_${n}`] === undefined)) {
      add(`sub_container/type_${n}`, `container ${n} requires both a type and indicator`);
    }
  }
}

function checkDate(date: Readonly<Record<string, unknown>>, add: (property: string, message: string) => void): void {
  const { expression, begin, end } = date;
  if (expression === undefined && begin === undefined && end === undefined) {
    add('expression', 'is required unless a begin or end date is given');
    return;
  }
  const from = typeof begin === 'string' ? firstDayOf(begin) : undefined;
  // "2000-05 to 2000" is taken: an end that is only less exact than the begin is not before it.
  const until =
    typeof end !== 'string' ? undefined : firstDayOf(typeof begin === 'string' && begin.startsWith(end) ? begin : end);
  if (typeof begin === 'string' && from === undefined) add('begin', 'not a valid date');
  if (typeof end === 'string' && until === undefined) add('end', 'not a valid date');
  if (from !== undefined && until !== undefined && until < from) add('end', 'must not be before begin');
}

/** Of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, in milliseconds; undefined when there is no such day. */
function firstDayOf(date: string): number | undefined {
  const [, sign, year, month = '01', day = '01'] = /^(-?)(\d{1,4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?$/.exec(date) ?? [];
  if (year === undefined) return undefined;
  const time = new Date(0);
  time.setUTCFullYear(Number(`${sign}${year}`), Number(month) - 1, Number(day));
  return time.getUTCMonth() === Number(month) - 1 && time.getUTCDate() === Number(day) ? time.getTime() : undefined;
}

function objectsIn(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
