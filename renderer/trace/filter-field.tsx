/** The text of the filter: completion while typing, what is wrong, filters of before. */
import { DropdownMenu } from 'radix-ui';
import { useRef, useState, type KeyboardEvent } from 'react';
import { completions, type Completions } from '../../app/filter/complete';
import type { FilterProblem } from '../../app/filter/filter';
import { Icon } from '../widgets/icon';
import { rememberFilter, toggleSaved, useFilterMemory } from './filter-memory';
import { GRID_ID } from './table/names';
import { traceSession } from './trace-client';
import { useTraceView } from './view-state';

/** `id` of the field, for the keyboard's `/`. */
export const FILTER_FIELD_ID = 'filter-text';

const LIST_ID = 'filter-completions';

interface Offer extends Completions {
  /** Whether the word they complete has been begun. */
  readonly isBegun: boolean;
}

function Problem({ text, problem }: { readonly text: string; readonly problem: FilterProblem }) {
  const end = problem.at + problem.length;
  return (
    <div id="filter-error" className="filter-error" role="alert" data-testid="filter-error">
      <code>
        {text.slice(0, problem.at)}
        <mark>{text.slice(problem.at, end) || ' '}</mark>
        {text.slice(end)}
      </code>
      {problem.message}
    </div>
  );
}

function CompletionList({
  items,
  chosen,
  take,
}: {
  readonly items: Completions['items'];
  readonly chosen: number;
  readonly take: (index: number) => void;
}) {
  return (
    <div
      id={LIST_ID}
      className="completions"
      role="listbox"
      aria-label="Completions"
      data-testid="filter-completions"
    >
      {items.map((item, index) => (
        <div
          key={item.text}
          id={`${LIST_ID}-${index}`}
          role="option"
          className="completion"
          aria-selected={index === chosen}
          onPointerDown={(event) => {
            // The field keeps the focus.
            event.preventDefault();
            take(index);
          }}
        >
          <code>{item.text}</code>
          <span>{item.meaning}</span>
        </div>
      ))}
    </div>
  );
}

function MemoryMenu({ text }: { readonly text: string }) {
  const { recent, saved } = useFilterMemory();
  const isSaved = saved.includes(text.trim());
  const use = (filter: string) => (
    <DropdownMenu.Item
      key={filter}
      className="menu-item data"
      onSelect={() => traceSession.setFilterText(filter)}
    >
      {filter}
    </DropdownMenu.Item>
  );
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger
        className="icon-button filter-memory"
        aria-label="Saved and recent filters"
        title="Saved and recent filters"
        data-testid="filter-memory"
      >
        <Icon name="down" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end">
          <DropdownMenu.Item
            className="menu-item"
            disabled={text.trim() === ''}
            onSelect={() => toggleSaved(text)}
          >
            {isSaved ? 'Forget this saved filter' : 'Save this filter'}
          </DropdownMenu.Item>
          {saved.length > 0 && (
            <DropdownMenu.Label className="menu-label">Saved</DropdownMenu.Label>
          )}
          {saved.map(use)}
          {recent.length > 0 && (
            <DropdownMenu.Label className="menu-label">Recent</DropdownMenu.Label>
          )}
          {recent.filter((one) => !saved.includes(one)).map(use)}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function FilterField() {
  const text = useTraceView((state) => state.filterText);
  const problem = useTraceView((state) => state.filterProblem);
  const input = useRef<HTMLInputElement>(null);
  const [offer, setOffer] = useState<Offer | null>(null);
  const [chosen, setChosen] = useState(-1);
  const items = offer?.items ?? [];

  const close = () => {
    setOffer(null);
    setChosen(-1);
  };
  const complete = (value: string, cursor: number) => {
    const made = completions(value, cursor);
    setOffer({ ...made, isBegun: made.from < cursor });
    setChosen(-1);
  };
  const take = (index: number) => {
    const item = items[index];
    if (!offer || !item) return;
    const space = /^\s/.test(text.slice(offer.to)) ? '' : ' ';
    const next = `${text.slice(0, offer.from)}${item.text}${space}${text.slice(offer.to)}`;
    const cursor = offer.from + item.text.length + 1;
    traceSession.setFilterText(next);
    complete(next, cursor);
    requestAnimationFrame(() => input.current?.setSelectionRange(cursor, cursor));
  };
  const leave = () => {
    close();
    if (!problem) rememberFilter(text);
  };
  const keyPressed = (event: KeyboardEvent<HTMLInputElement>) => {
    const { key, ctrlKey, shiftKey } = event;
    const isOpen = items.length > 0;
    // Tab leaves the field where no word is begun, or it could not be left by keyboard.
    const isTaken =
      key === 'Enter' ? chosen >= 0 : key === 'Tab' && !shiftKey && (chosen >= 0 || offer?.isBegun);
    if (ctrlKey && key === ' ') complete(text, event.currentTarget.selectionStart ?? text.length);
    else if (isOpen && key === 'Escape') {
      event.stopPropagation();
      close();
    } else if (isOpen && key === 'ArrowDown') setChosen((chosen + 1) % items.length);
    else if (isOpen && key === 'ArrowUp') setChosen(chosen <= 0 ? items.length - 1 : chosen - 1);
    else if (isOpen && isTaken) take(Math.max(0, chosen));
    else if (key === 'Enter' || key === 'ArrowDown') {
      leave();
      document.getElementById(GRID_ID)?.focus();
    } else return;
    event.preventDefault();
  };

  return (
    <div className="filter-field">
      <input
        ref={input}
        id={FILTER_FIELD_ID}
        type="text"
        className="input data"
        role="combobox"
        aria-label="Filter"
        aria-autocomplete="list"
        aria-expanded={items.length > 0}
        aria-controls={LIST_ID}
        aria-activedescendant={chosen >= 0 ? `${LIST_ID}-${chosen}` : undefined}
        // A word half typed is no mistake yet.
        aria-invalid={problem !== null && items.length === 0}
        aria-describedby={problem ? 'filter-error' : undefined}
        placeholder="write && len >= 64K, latency > 5ms, 2048..4095"
        data-testid="filter-text"
        spellCheck={false}
        autoComplete="off"
        value={text}
        onChange={(event) => {
          const { value, selectionStart } = event.target;
          traceSession.setFilterText(value);
          if (value === '') close();
          else complete(value, selectionStart ?? value.length);
        }}
        onKeyDown={keyPressed}
        onBlur={leave}
      />
      <MemoryMenu text={text} />
      {items.length > 0 ? (
        <CompletionList items={items} chosen={chosen} take={take} />
      ) : (
        problem && <Problem text={text} problem={problem} />
      )}
    </div>
  );
}
