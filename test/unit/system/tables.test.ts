import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** What a table of options says twice, in a docstring for people and as a value for the program, is the same. */

const root = join(__dirname, '../../../lib');
const files = [
  'data/balance.ts',
  'data/columns.ts',
  'data/read-options.ts',
  'evaluate/options.ts',
  'finetune/checkpoint/options.ts',
  'finetune/optimizer.ts',
  'finetune/options.ts',
  'text-vectorisation-options.ts',
];

interface Entry {
  file: string;
  name: string;
  documentation: string;
  otherwise: ts.Expression | undefined;
}

function entriesOf(file: string): Entry[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const found: Entry[] = [];
  const visit = (node: ts.Node): void => {
    if (
      ts.isPropertyAssignment(node) &&
      ts.isCallExpression(node.initializer) &&
      ['optional', 'required'].includes(node.initializer.expression.getText())
    ) {
      const [documentation] = ts.getJSDocCommentsAndTags(node);
      found.push({
        file,
        name: node.name.getText(),
        documentation: documentation?.getText().replaceAll(/\s*\n\s*\* ?/g, ' ') ?? '',
        otherwise: node.initializer.expression.getText() === 'optional' ? node.initializer.arguments[1] : undefined,
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

const entries = files.flatMap(entriesOf);

test('every table is found', () => {
  for (const file of files) expect(entries.filter((entry) => entry.file === file).length).toBeGreaterThan(1);
});

test.each(entries.map((entry) => [`${entry.file}: ${entry.name}`, entry] as const))('%s', (_, entry) => {
  expect(entry.documentation).toMatch(/^\/\*\* .*\.\s*\*?\/$/);
  const { otherwise } = entry;
  if (otherwise === undefined) return;
  const literal =
    ts.isNumericLiteral(otherwise) ||
    ts.isStringLiteral(otherwise) ||
    [ts.SyntaxKind.TrueKeyword, ts.SyntaxKind.FalseKeyword].includes(otherwise.kind);
  if (literal)
    expect(entry.documentation).toMatch(new RegExp(`Default:? ${otherwise.getText()}\\b`.replace("'\\b", "'")));
});
