import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

export interface Contract {
  functions: { name: string; parameters: { name: string; type: string }[]; async: boolean }[];
  codes: string[];
}

/** The functions and error codes that lib/engine/addon.ts declares. */
export function readContract(): Contract {
  const file = join(__dirname, '..', '..', 'lib', 'engine', 'addon.ts');
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022);
  const contract: Contract = { functions: [], codes: [] };
  for (const statement of source.statements) {
    if (ts.isInterfaceDeclaration(statement) && statement.name.text === 'EngineAddon') {
      contract.functions = statement.members.filter(ts.isMethodSignature).map((method) => ({
        name: method.name.getText(source),
        parameters: method.parameters.map((parameter) => ({
          name: parameter.name.getText(source),
          type: parameter.type!.getText(source),
        })),
        async: method.type!.getText(source).startsWith('Promise<'),
      }));
    }
    if (ts.isTypeAliasDeclaration(statement) && statement.name.text === 'NativeErrorCode') {
      contract.codes = statement.type.getText(source).match(/ERR_\w+/g)!;
    }
  }
  return contract;
}
