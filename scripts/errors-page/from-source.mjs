// Reads every `new …Error(code, message, details)` of lib and says what it prints: on each surface, with ‹…› for what is
// known only when it happens. A message that a function is given is followed to those who call the function.
import { relative } from 'node:path';
import ts from 'typescript';

const MOST = 6; // alternatives of one message; more are left as ‹…›
const DEEP = 4; // functions that a message is followed through

/** @returns {{ file, code, className, texts: { api: string, cli: string }[] }[]} in the order of the files */
export function messagesOf(root, surfaces) {
  const config = ts.getParsedCommandLineOfConfigFile(
    `${root}/tsconfig.json`,
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic() {} },
  );
  const program = ts.createProgram(config.fileNames, { ...config.options, noEmit: true });
  const checker = program.getTypeChecker();
  const sources = program.getSourceFiles().filter((file) => file.fileName.startsWith(`${root}/lib/`));
  const calls = callsByFunction();
  const found = [];
  for (const source of sources)
    visit(source, (node) => {
      if (!ts.isNewExpression(node) || (node.arguments?.length ?? 0) < 2) return;
      const className = node.expression.getText();
      const code = node.arguments[0];
      if (!/Error$/.test(className) || !couldBeCode(code)) return;
      const details = node.arguments[2];
      for (const bound of contexts(node)) {
        const texts = unique(
          together(variants(node.arguments[1], bound), remedyOf(details, bound)).map(([said, remedy]) =>
            join(said, remedy),
          ),
        );
        for (const one of variants(code, bound)) {
          const name = text(one, 'api');
          if (/^ERR_[A-Z_]+$/.test(name))
            found.push({ file: relative(root, bound.file ?? source.fileName), className, code: name, texts });
        }
      }
    });
  return found;

  function couldBeCode(node) {
    return /ERR_|[cC]ode|told/.test(node.getText());
  }

  /** What the parameters of the functions around a node stand for: one binding for each call, through a few functions. */
  function contexts(node, bound = new Map(), depth = 0) {
    const owner = ownerOf(node);
    const callers = owner === undefined || depth >= DEEP ? [] : (calls.get(owner) ?? []);
    if (callers.length === 0 || !uses(node, owner)) return [bound];
    return callers.flatMap((call) => {
      const inner = new Map(bound);
      inner.file = call.getSourceFile().fileName;
      owner.parameters.forEach((parameter, i) => {
        const argument = call.arguments[i] ?? parameter.initializer;
        if (ts.isIdentifier(parameter.name)) inner.set(checker.getSymbolAtLocation(parameter.name), argument);
      });
      // What was passed may itself be passed on from further out.
      const outer = contexts(call, new Map(), depth + 1);
      return outer.map((one) => {
        const joined = new Map([...inner].map(([symbol, argument]) => [symbol, { node: argument, bound: one }]));
        joined.file = one.file ?? inner.file;
        return joined;
      });
    });
  }

  /** Whether the message needs what the function was given in words: a parameter that is a text, an error's code or a remedy. */
  function uses(node, owner) {
    const parameters = new Set(
      owner.parameters
        .filter(({ name }) => ts.isIdentifier(name))
        .filter(({ name }) =>
          /^(what|why|message|expected|code|remedy|reason|found|problem|doing|said|wanted|whose|text|place|how|purpose|instead)$/.test(
            name.text,
          ),
        )
        .map(({ name }) => checker.getSymbolAtLocation(name)),
    );
    let used = false;
    visit(node, (inner) => {
      if (ts.isIdentifier(inner) && parameters.has(symbolOf(inner))) used = true;
    });
    return used;
  }

  function ownerOf(node) {
    for (let at = node.parent; at; at = at.parent)
      if (
        ts.isFunctionDeclaration(at) ||
        ts.isArrowFunction(at) ||
        ts.isFunctionExpression(at) ||
        ts.isMethodDeclaration(at)
      )
        return at;
    return undefined;
  }

  function callsByFunction() {
    const byFunction = new Map();
    for (const source of sources)
      visit(source, (node) => {
        if (!ts.isCallExpression(node)) return;
        const symbol = symbolOf(
          ts.isPropertyAccessExpression(node.expression) ? node.expression.name : node.expression,
        );
        const declaration = symbol?.valueDeclaration;
        const target = declaration && ts.isVariableDeclaration(declaration) ? declaration.initializer : declaration;
        if (target?.parameters === undefined) return;
        if (!byFunction.has(target)) byFunction.set(target, []);
        byFunction.get(target).push(node);
      });
    return byFunction;
  }

  function symbolOf(node) {
    let symbol = checker.getSymbolAtLocation(node);
    if (node.parent && ts.isShorthandPropertyAssignment(node.parent))
      symbol = checker.getShorthandAssignmentValueSymbol(node.parent);
    return symbol && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  }

  /** The texts that an expression may give: each a list of pieces, a piece being a text for each surface. */
  function variants(node, bound, depth = 0) {
    const again = (inner) => variants(inner, bound, depth + 1);
    const unknown = [[hole(node)]];
    if (node === undefined || depth > 12) return unknown;
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [[node.text]];
    if (
      ts.isParenthesizedExpression(node) ||
      ts.isAsExpression(node) ||
      ts.isNonNullExpression(node) ||
      ts.isSpreadElement(node)
    )
      return again(node.expression);
    if (ts.isNumericLiteral(node)) return [[node.text]];
    if (ts.isTemplateExpression(node)) return template(node, again);
    if (ts.isTaggedTemplateExpression(node) && node.tag.getText() === 'say')
      return ts.isTemplateExpression(node.template) ? template(node.template, again) : [[node.template.text]];
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken)
      return sum(again(node.left), again(node.right));
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken)
      return few([...again(node.left), ...again(node.right)], node);
    if (ts.isConditionalExpression(node)) return few([...again(node.whenTrue), ...again(node.whenFalse)], node);
    if (ts.isArrayLiteralExpression(node)) return node.elements.map(again).reduce(sum, [[]]);
    if (ts.isIdentifier(node) && node.text === 'undefined') return [[]];
    if (ts.isIdentifier(node)) {
      const symbol = symbolOf(node);
      const given = bound.get(symbol);
      if (given !== undefined) return given.node === undefined ? [[]] : variants(given.node, given.bound, depth + 1);
      const declaration = symbol?.valueDeclaration;
      if (
        declaration &&
        ts.isVariableDeclaration(declaration) &&
        declaration.initializer &&
        worded(declaration.initializer)
      )
        return again(declaration.initializer);
      return unknown;
    }
    if (ts.isCallExpression(node)) return call(node, again) ?? unknown;
    return unknown;
  }

  function worded(node) {
    return (
      ts.isConditionalExpression(node) ||
      ts.isTaggedTemplateExpression(node) ||
      ts.isTemplateExpression(node) ||
      ts.isStringLiteral(node) ||
      (ts.isCallExpression(node) && ['words', 'option', 'options', 'command'].includes(node.expression.getText()))
    );
  }

  function call(node, again) {
    const [first, second] = node.arguments;
    const plain = (argument) => again(argument).map((pieces) => text(pieces, 'api'))[0];
    switch (node.expression.getText()) {
      case 'option': {
        const path = plain(first);
        // Of `file.columns.‹part›` the surface knows the way of writing, of `‹path›` nothing.
        if (path.startsWith('‹')) return [[path]];
        return [
          [
            second === undefined
              ? { type: 'option', path }
              : { type: 'settings', settings: [{ path, value: value(second) }] },
          ],
        ];
      }
      case 'options':
        return ts.isObjectLiteralExpression(first)
          ? [
              [
                {
                  type: 'settings',
                  settings: first.properties.map((one) => ({ path: one.name.text, value: value(one.initializer) })),
                },
              ],
            ]
          : undefined;
      case 'command':
        return again(first).map((pieces) => ['npx vectune ', ...pieces]);
      case 'words':
        return product(again(first), again(second)).map(([api, cli]) => [{ type: 'words', api, cli }]);
      case 'show':
      case 'found':
        return [['‹value›']];
      default:
        return undefined;
    }
  }

  function value(node) {
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
    if (ts.isNumericLiteral(node)) return Number(node.text);
    if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
    if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
    if (ts.isArrayLiteralExpression(node)) return node.elements.map(value);
    return undefined;
  }

  function template(node, again) {
    return node.templateSpans.reduce(
      (all, span) => sum(all, sum(again(span.expression), [[span.literal.text]])),
      [[node.head.text]],
    );
  }

  function remedyOf(details, bound) {
    if (details === undefined || !ts.isObjectLiteralExpression(details)) return [[]];
    const remedy = details.properties.find((one) => one.name?.getText() === 'remedy');
    if (remedy === undefined) return [[]];
    return variants(ts.isShorthandPropertyAssignment(remedy) ? remedy.name : remedy.initializer, bound);
  }

  function join(said, remedy) {
    const [api, cli] = ['api', 'cli'].map((side) =>
      [text(said, side), text(remedy, side)].filter((one) => one.trim() !== '').join(' '),
    );
    return { api, cli };
  }

  function text(pieces, side) {
    const surface = surfaces[side];
    return pieces
      .map((piece) => {
        if (typeof piece === 'string') return piece;
        if (piece.type === 'words') return text(piece[side], side);
        return piece.type === 'option' ? surface.option(piece.path) : surface.settings(piece.settings);
      })
      .join('');
  }

  function few(list, node) {
    return list.length <= MOST ? list : [[hole(node)]];
  }

  function sum(left, right) {
    return few(
      product(left, right).map(([a, b]) => [...a, ...b]),
      undefined,
    );
  }

  function product(left, right) {
    return left.flatMap((a) => right.map((b) => [a, b]));
  }

  /** Every message with a remedy and every remedy with a message; all with all where those are few. */
  function together(messages, remedies) {
    if (messages.length * remedies.length <= MOST) return product(messages, remedies);
    return [
      ...messages.map((said) => [said, remedies[0]]),
      ...remedies.slice(1).map((remedy) => [messages[0], remedy]),
    ];
  }

  function unique(list) {
    return [...new Map(list.map((one) => [JSON.stringify(one), one])).values()];
  }

  /** What is known only when it happens, by the name it has in the code. */
  function hole(node) {
    if (node === undefined) return '‹…›';
    let at = node;
    while (!ts.isIdentifier(at)) {
      if (ts.isPropertyAccessExpression(at)) at = at.name;
      else if (ts.isCallExpression(at))
        at =
          ['join', 'toFixed', 'map', 'slice', 'toUpperCase', 'keys', 'values', 'entries'].includes(
            at.expression.name?.text,
          ) && at.expression.expression
            ? at.expression.expression
            : (at.arguments[0] ?? at.expression);
      else if (
        ts.isElementAccessExpression(at) ||
        ts.isNonNullExpression(at) ||
        ts.isParenthesizedExpression(at) ||
        ts.isAsExpression(at) ||
        ts.isAwaitExpression(at)
      )
        at = at.expression;
      else return '‹…›';
    }
    return `‹${at.text.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).toLowerCase()}›`;
  }

  function visit(node, each) {
    each(node);
    ts.forEachChild(node, (child) => visit(child, each));
  }
}
