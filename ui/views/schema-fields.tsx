import type { ReactNode } from 'react';
import { type Field, type FormSchema, fieldsOf, type Values } from '../lib/form.ts';
import { say } from '../words/say.ts';

export interface FieldsProps {
  readonly schema: FormSchema;
  readonly values: Values;
  readonly problems: ReadonlyMap<string, string>;
  readonly onChange: (values: Values) => void;
  readonly files: (id: string, isMany: boolean, describedBy: string | undefined, isInvalid: boolean) => ReactNode;
  readonly above?: string;
}

export const idOf = (path: string) => `field-${path.replaceAll('/', '-')}`;

/** The fields of a schema, each with its label, help and problem. */
export function SchemaFields({ schema, values, problems, onChange, files, above = '' }: FieldsProps) {
  const one = (field: Field) => (
    <OneField
      key={field.path}
      field={field}
      value={values[field.name]}
      problem={problems.get(field.path)}
      onChange={(value) => onChange({ ...values, [field.name]: value })}
      group={(inner, onInner) => (
        <SchemaFields
          schema={field.schema}
          values={inner}
          problems={problems}
          onChange={onInner}
          files={files}
          above={field.path}
        />
      )}
      files={files}
    />
  );
  const all = fieldsOf(schema, above);
  const folded = all.filter(({ page }) => page?.advanced);
  const isWrong = ({ path }: Field) => [...problems.keys()].some((at) => at === path || at.startsWith(`${path}/`));
  return (
    <>
      {all.filter((field) => !folded.includes(field)).map(one)}
      {folded.length > 0 && (
        <details className="more" open={folded.some(isWrong) || undefined}>
          <summary>{say('field.more')}</summary>
          {folded.map(one)}
        </details>
      )}
    </>
  );
}

interface OneProps {
  readonly field: Field;
  readonly value: unknown;
  readonly problem: string | undefined;
  readonly onChange: (value: unknown) => void;
  readonly group: (values: Values, onChange: (values: Values) => void) => ReactNode;
  readonly files: FieldsProps['files'];
}

function OneField({ field, value, problem, onChange, group, files }: OneProps) {
  const { path, label, schema, widget, page, isRequired } = field;
  const { langs } = page ?? {};
  const id = idOf(path);
  const hint = widget === 'lines' ? say('field.perLine') : widget === 'json' ? say('field.json.help') : undefined;
  const help = schema.description || hint;
  const describedBy =
    [help && `${id}-help`, problem !== undefined && `${id}-problem`].filter(Boolean).join(' ') || undefined;
  const common = {
    id,
    'aria-describedby': describedBy,
    'aria-invalid': problem !== undefined,
    'aria-required': isRequired,
  };
  const notes = (
    <>
      {help && (
        <p className="help" id={`${id}-help`}>
          {schema.description && <span lang={langs?.description}>{schema.description}</span>}
          {schema.description && hint && ' '}
          {hint}
        </p>
      )}
      {problem !== undefined && (
        <p className="problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </>
  );
  const name = (
    <>
      <span lang={langs?.title}>{label}</span>
      {!isRequired && <span className="optional">{` (${say('create.optional')})`}</span>}
    </>
  );
  const example = page?.placeholder !== undefined && { placeholder: page.placeholder, lang: langs?.placeholder };
  const text = typeof value === 'string' ? value : '';

  if (widget === 'checkbox' || widget === 'checked')
    return (
      <div className="field">
        <label className="check">
          <input
            {...common}
            type="checkbox"
            checked={value === true}
            onChange={({ target }) => onChange(target.checked)}
          />
          <span lang={langs?.title}>{label}</span>
        </label>
        {notes}
      </div>
    );
  if (widget === 'group')
    return (
      <fieldset className="field" id={id} tabIndex={-1}>
        <legend>{name}</legend>
        {notes}
        {group(Object(value) as Values, onChange)}
      </fieldset>
    );
  if (widget === 'choices') {
    const chosen = Array.isArray(value) ? (value as readonly unknown[]) : [];
    const { enum: options = [], enumDescriptions = [] } = schema.items ?? {};
    return (
      <fieldset className="field" id={id} tabIndex={-1} aria-describedby={describedBy}>
        <legend>{name}</legend>
        {notes}
        {options.map((option, index) => (
          <label className="check" key={String(option)}>
            <input
              type="checkbox"
              checked={chosen.includes(option)}
              onChange={({ target }) =>
                onChange(options.filter((other) => (other === option ? target.checked : chosen.includes(other))))
              }
            />
            <span lang={langs?.values[index]}>{enumDescriptions[index] ?? String(option)}</span>
          </label>
        ))}
      </fieldset>
    );
  }
  return (
    <div className="field">
      <label htmlFor={id}>{name}</label>
      {notes}
      {widget === 'files' || widget === 'file' ? (
        files(id, widget === 'files', describedBy, problem !== undefined)
      ) : widget === 'select' ? (
        <select {...common} value={text} onChange={({ target }) => onChange(target.value)}>
          <option value="">{say(isRequired ? 'field.select' : 'field.none')}</option>
          {schema.enum?.map((option, index) => (
            <option key={String(option)} value={index} lang={langs?.values[index]}>
              {schema.enumDescriptions?.[index] ?? String(option)}
            </option>
          ))}
        </select>
      ) : widget === 'textarea' || widget === 'lines' || widget === 'json' ? (
        <textarea {...common} {...example} rows={4} value={text} onChange={({ target }) => onChange(target.value)} />
      ) : (
        <input
          {...common}
          {...example}
          type={inputTypes[widget]}
          inputMode={widget === 'number' ? 'decimal' : undefined}
          value={text}
          onChange={({ target }) => onChange(target.value)}
        />
      )}
    </div>
  );
}

/** Numbers as text: an input of type number hides what it cannot read, and changes when the wheel turns. */
const inputTypes = { number: 'text', date: 'date', 'date-time': 'datetime-local', text: 'text' } as const;
