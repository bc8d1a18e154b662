// A vitest reporter that writes what scripts/test.mjs counts: one JSON file, at
// the path in BIOSCOPE_TEST_REPORT. It carries the reason of a skip and what failed
// before a second try passed, which vitest's own JSON does not. Failures are shown by vitest's default reporter.
import { writeFileSync } from 'node:fs';

export default class CountingReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const report = { passed: 0, failed: 0, skips: [], problems: [], unsteady: [] };
    for (const module of modules) {
      // A file that does not load has no tests, but errors of its own.
      if (module.errors().length > 0) {
        report.failed += 1;
        report.problems.push(module.moduleId);
      }
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') {
          report.passed += 1;
          if (test.diagnostic()?.flaky) {
            const reason = result.errors?.[0]?.message ?? '';
            report.unsteady.push({ name: test.fullName, reason });
          }
        } else if (result.state === 'skipped')
          report.skips.push({ name: test.fullName, reason: result.note ?? '' });
        else {
          report.failed += 1;
          report.problems.push(test.fullName);
        }
      }
    }
    for (const error of unhandledErrors) {
      report.failed += 1;
      report.problems.push(`outside any test: ${error.message}`);
    }
    writeFileSync(process.env.BIOSCOPE_TEST_REPORT, JSON.stringify(report));
  }
}
