/** What grammar.peggy makes of a text: what was written, and where. */

interface Place {
  /** Characters of the text. */
  readonly at: number;
  readonly length: number;
}

export interface WordNode extends Place {
  readonly kind: 'word';
  readonly text: string;
}
export interface NumberNode extends Place {
  readonly kind: 'number';
  readonly digits: string;
  readonly unit: string;
}
export interface RangeNode extends Place {
  readonly kind: 'range';
  readonly low: NumberNode | null;
  readonly high: NumberNode | null;
}
/** `first+count` */
export interface RunNode extends Place {
  readonly kind: 'run';
  readonly low: NumberNode;
  readonly count: NumberNode;
}
export interface SetNode extends Place {
  readonly kind: 'set';
  readonly members: readonly (NumberNode | RangeNode | WordNode)[];
}
export interface TextNode extends Place {
  readonly kind: 'text';
  readonly text: string;
}
export interface BytesNode extends Place {
  readonly kind: 'bytes';
  readonly digits: string;
}
export type ValueNode = WordNode | NumberNode | RangeNode | RunNode | SetNode | TextNode;

export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in' | 'has' | 'any';

export type SyntaxNode =
  | { readonly kind: 'and' | 'or'; readonly left: SyntaxNode; readonly right: SyntaxNode }
  | { readonly kind: 'not'; readonly filter: SyntaxNode }
  | ({
      readonly kind: 'compare';
      readonly field: WordNode;
      readonly operator: Operator;
      readonly value: ValueNode;
    } & Place)
  | ({
      readonly kind: 'contains';
      readonly field: WordNode;
      readonly value: TextNode | BytesNode | WordNode;
    } & Place)
  | ({ readonly kind: 'sectors'; readonly value: RangeNode | RunNode | NumberNode } & Place)
  | ({ readonly kind: 'bare'; readonly word: WordNode } & Place);

/** Thrown by `parse`. */
export declare class SyntaxError extends Error {
  readonly expected: readonly {
    readonly type: string;
    readonly description?: string;
    readonly text?: string;
  }[];
  readonly found: string | null;
  readonly location: {
    readonly start: { readonly offset: number };
    readonly end: { readonly offset: number };
  };
}

export declare function parse(
  text: string,
  options: { readonly isField: (name: string) => boolean },
): SyntaxNode | null;
