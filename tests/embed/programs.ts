export const programTests = [] as import('./harness.ts').Test[]
