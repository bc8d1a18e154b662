/**
 * The export for Perfetto, read by the trace viewer that Chromium carries (chrome://tracing): the
 * program that the format was made for. ui.perfetto.dev reads the same format.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { _electron } from 'playwright-core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { exportCapture } from '../../app/capture/export/exporters';
import { CaptureFile } from '../../app/capture/file';
import { requests, writeSample } from '../app/capture/sample';
import { checksum, header } from '../app/capture/support';
import { electronExecutable, electronSwitches } from '../support/desktop';
import { Workspace } from '../support/workspace';

/** What the viewer's model says of a trace; times in ms since its beginning. */
interface Model {
  readonly processes: readonly string[];
  readonly slices: readonly {
    id: string;
    title: string;
    start: number;
    duration: number;
    args: Readonly<Record<string, string | number>>;
  }[];
  readonly inFlight: readonly { timestamp: number; value: number }[];
  readonly warnings: readonly unknown[];
}

/** As much of the viewer as is used here (catapult, tracing/tracing/model and importer). */
interface Viewer {
  readonly Model: new () => ViewerModel;
  readonly importer: {
    readonly Import: new (model: ViewerModel) => { importTraces(traces: readonly string[]): void };
  };
}

interface ViewerModel {
  readonly importWarnings: readonly unknown[];
  readonly processes: Readonly<
    Record<
      string,
      {
        readonly name: string;
        readonly threads: Readonly<
          Record<string, { readonly asyncSliceGroup: { readonly slices: Model['slices'] } }>
        >;
        readonly counters: Readonly<
          Record<
            string,
            {
              readonly name: string;
              readonly series: readonly { readonly samples: Model['inFlight'] }[];
            }
          >
        >;
      }
    >
  >;
}

let workspace: Workspace;

beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.end());

/** Null when this Electron carries no viewer. */
async function readByViewer(trace: string): Promise<Model | null> {
  const directory = join(workspace.directory, 'viewer');
  mkdirSync(directory);
  writeFileSync(join(directory, 'package.json'), '{"name":"viewer","main":"main.js"}');
  writeFileSync(
    join(directory, 'main.js'),
    `const { app, BrowserWindow } = require('electron');
     app.whenReady().then(() => new BrowserWindow().loadURL('chrome://tracing'));`,
  );
  const application = await _electron.launch({
    executablePath: electronExecutable(),
    args: [...electronSwitches(), directory],
    env: workspace.environment(),
  });
  try {
    const page = await application.firstWindow();
    await page.waitForFunction(() => 'tr' in globalThis || location.protocol === 'chrome-error:');
    if (new URL(page.url()).protocol === 'chrome-error:') return null;
    return await page.evaluate((text) => {
      const { tr } = globalThis as unknown as { tr: Viewer };
      const model = new tr.Model();
      new tr.importer.Import(model).importTraces([text]);
      const processes = Object.values(model.processes);
      return {
        processes: processes.map(({ name }) => name),
        slices: processes
          .flatMap(({ threads }) => Object.values(threads))
          .flatMap(({ asyncSliceGroup }) => asyncSliceGroup.slices)
          .map(({ id, title, start, duration, args }) => ({ id, title, start, duration, args })),
        inFlight: processes
          .flatMap(({ counters }) => Object.values(counters))
          .filter(({ name }) => name === 'in flight')
          .flatMap(({ series }) => series)
          .flatMap(({ samples }) => samples)
          .map(({ timestamp, value }) => ({ timestamp, value })),
        warnings: model.importWarnings,
      };
    }, trace);
  } finally {
    await application.close();
  }
}

it("shows each request with its times and fields, and the queue's depth", async ({ skip }) => {
  const path = join(workspace.directory, 'sample.bioscope');
  await writeSample(path);
  const file = await CaptureFile.open(path, checksum);
  const exported = exportCapture(file, 'perfetto', `${path}.json`, true);
  file.close();

  const model = await readByViewer(readFileSync(exported.path, 'utf8'));
  if (model === null) return skip('this Electron carries no trace viewer');

  expect(model.warnings).toEqual([]);
  expect(model.processes).toEqual([header.name]);
  expect(model.slices).toHaveLength(requests.length);
  const words = ['read', 'write', 'flush', 'discard'];
  const first = requests[0]?.arrival ?? 0n;
  const slices = new Map(model.slices.map((slice) => [Number(slice.id.split(':').at(-1)), slice]));
  for (const { sequence, arrival, completion, sector, length, operation, error } of requests) {
    const slice = slices.get(Number(sequence));
    expect(slice?.title).toBe(words[operation]);
    expect(slice?.start).toBeCloseTo(Number(arrival - first) / 1e6, 6);
    expect(slice?.duration).toBeCloseTo(Number(completion - arrival) / 1e6, 6);
    expect(slice?.args).toMatchObject({
      sector: String(sector),
      length: Number(length),
      result: error ? 'EIO' : 'ok',
    });
  }
  expect(model.inFlight.map(({ value }) => value)).toEqual(requests.map(({ depth }) => depth));
  model.inFlight.forEach(({ timestamp }, index) =>
    expect(timestamp).toBeCloseTo(Number((requests[index]?.arrival ?? 0n) - first) / 1e6, 6),
  );
});
