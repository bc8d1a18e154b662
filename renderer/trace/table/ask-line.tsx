/** One line over the table that asks for something: a note, or where to go. */
import { useState } from 'react';
import { create } from 'zustand';
import { parseFilter } from '../../../app/filter/parse';
import { noteOf } from '../marks';
import { useTraceView } from '../view-state';
import { GRID_ID } from './names';
import { changeNote, goToSequence, goToTime } from './table-actions';

type Asked = { readonly what: 'note' | 'place'; readonly text: string } | null;

const useAsked = create<{ readonly asked: Asked }>(() => ({ asked: null }));

export function askForNote(): void {
  const { selected } = useTraceView.getState();
  if (!selected) return;
  const text = noteOf(Number(selected.record.sequence)) ?? '';
  useAsked.setState({ asked: { what: 'note', text } });
}

export function askForPlace(): void {
  useAsked.setState({ asked: { what: 'place', text: '' } });
}

function close(): void {
  useAsked.setState({ asked: null });
  document.getElementById(GRID_ID)?.focus();
}

/** Goes to a sequence ("184236") or a time ("1.5s"); what is wrong with it, or null. */
function goTo(text: string): string | null {
  const words = text.trim();
  const isTime = /[a-zµ]$/i.test(words);
  const parsed = parseFilter(`${isTime ? 'time' : 'seq'} == ${words}`);
  if (!parsed.ok || parsed.filter?.kind !== 'number')
    return 'Write a sequence number, 184236, or a time since the trace began, 1.5s';
  const place = parsed.filter.ranges[0]?.low ?? 0;
  void (isTime ? goToTime(place) : goToSequence(place));
  return null;
}

function takeNote(text: string): null {
  const { selected } = useTraceView.getState();
  if (selected) changeNote(selected.disk, Number(selected.record.sequence), text.trim());
  return null;
}

function Line({ asked }: { readonly asked: NonNullable<Asked> }) {
  const [text, setText] = useState(asked.text);
  const [problem, setProblem] = useState<string | null>(null);
  const isNote = asked.what === 'note';
  const label = isNote ? 'Note on the request' : 'Go to sequence or time';
  return (
    <form
      className="ask-line"
      data-testid="ask-line"
      onSubmit={(event) => {
        event.preventDefault();
        const wrong = isNote ? takeNote(text) : goTo(text);
        setProblem(wrong);
        if (wrong === null) close();
      }}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        close();
      }}
    >
      <label>
        {label}
        <input
          className="input data"
          autoFocus
          spellCheck={false}
          autoComplete="off"
          maxLength={1000}
          aria-invalid={problem !== null}
          placeholder={isNote ? '' : '184236 or 1.5s'}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <button type="submit" className="button">
        {isNote ? 'Keep' : 'Go'}
      </button>
      {problem !== null && <span role="alert">{problem}</span>}
    </form>
  );
}

export function AskLine() {
  const asked = useAsked((state) => state.asked);
  return asked && <Line key={asked.what} asked={asked} />;
}
