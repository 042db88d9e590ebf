export const engineTests = [] as import('./harness.ts').Test[]
