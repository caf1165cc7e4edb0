import { globSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { en } from '../../ui/words/en.ts';
import { listed, pseudo, say, sayCount, setWords } from '../../ui/words/say.ts';

const shownAttributes = new Set(['aria-label', 'aria-description', 'title', 'placeholder', 'alt', 'label']);
const hasLetters = (text: string) => /\p{L}/u.test(text);

/** Texts in the code that somebody would read: between tags, and in attributes that are shown or spoken. */
function textsIn(path: string): readonly string[] {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node) && hasLetters(node.text)) found.push(node.text.trim());
    if (ts.isJsxAttribute(node) && shownAttributes.has(node.name.getText()) && node.initializer) {
      const { initializer } = node;
      if (ts.isStringLiteral(initializer) && hasLetters(initializer.text)) found.push(initializer.text);
    }
    if (ts.isJsxExpression(node) && node.expression && ts.isStringLiteral(node.expression))
      if (!ts.isJsxAttribute(node.parent) && hasLetters(node.expression.text)) found.push(node.expression.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe('words', () => {
  test.each(globSync('ui/**/*.tsx', { exclude: (path) => path.includes('dist') }))(
    '%s has no text of its own',
    (path) => {
      expect(textsIn(path)).toEqual([]);
    },
  );

  test('every text is used', () => {
    const code = globSync('ui/**/*.{ts,tsx}', { exclude: (path) => path.includes('dist') || path.endsWith('en.ts') })
      .map((path) => readFileSync(path, 'utf8'))
      .join('\n');
    const unused = Object.keys(en).filter((key) => {
      const base = key.replace(/_(one|other|none|next|more)$/, '');
      // Keys that are put together: status.…, failure.….todo, field.…, wait.…, job.event.…, problem.…
      const isBuilt = /^(status|failure|field|wait|job\.event|job\.files|problem|files)\./.test(key);
      return !isBuilt && !code.includes(`'${key}'`) && !code.includes(`'${base}'`);
    });

    expect(unused).toEqual([]);
  });

  test('numbers and names are put in', () => {
    expect(sayCount('wait.position', 1)).toBe('One older job is waiting before it.');
    expect(sayCount('wait.position', 1234)).toBe('1,234 older jobs are waiting before it.');
    expect(say('cancel.denied', { permissions: listed(['cancel_job', 'x_y']) })).toContain('“cancel_job” and “x_y”');
  });

  test('in a locale that nobody speaks everything is in brackets', () => {
    setWords(pseudo(en));
    try {
      expect(say('app.tryAgain')).toBe('⟦Try again⟧');
    } finally {
      setWords(en);
    }
  });
});
