/** The advice where what needs a doctor is rarer, or more common, than in the test: Python's `clinical_use.prevalence`. */
import facts from "../facts.json";

/** Of the advice on the held-out outer fold. */
export interface Tested {
  sensitivity: number;
  specificity: number;
  sensitivityInterval: [number, number];
  specificityInterval: [number, number];
  images: number;
}

export interface Figure {
  value: number;
  /** The least and the most that both intervals allow: wider than need be rather than too narrow. */
  least: number;
  most: number;
}

/** PPV, NPV, and referrals and missed of so many people. */
export type Carried = [ppv: Figure, npv: Figure, referrals: Figure, missed: Figure];

export function carry(tested: Tested, prevalence: number): Carried {
  const corners = tested.sensitivityInterval.flatMap((sensitivity) =>
    tested.specificityInterval.map((specificity) => bayes(sensitivity, specificity, prevalence)));
  return bayes(tested.sensitivity, tested.specificity, prevalence).map((value, k) => {
    const known = corners.map((corner) => corner[k]!).filter((figure) => !Number.isNaN(figure));
    return { value, least: Math.min(...known), most: Math.max(...known) };
  }) as Carried;
}

function bayes(sensitivity: number, specificity: number, prevalence: number): number[] {
  const { PEOPLE } = facts.prevalence;
  const found = prevalence * sensitivity, missed = prevalence * (1 - sensitivity);
  const spared = (1 - prevalence) * specificity, referred = found + (1 - prevalence) * (1 - specificity);
  return [found / referred, spared / (missed + spared), PEOPLE * referred, PEOPLE * missed];
}
