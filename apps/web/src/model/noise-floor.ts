/** Changes that photographs of an unchanged spot show: measured by `python -m benchmarks.over_time`, and nothing else. */
import measured from "../noise-floor.json";

export interface Floor {
  /** A ratio of areas of 1 or more, a distance of colours, or a difference of risks. */
  floor: number;
  /** The share of retaken pairs at or under it, as measured on others than those that it was fitted on. */
  under: number;
  /** That of real photographs of one lesion, whose distance and day nobody knows; null where it has no meaning. */
  real: number | null;
}

export interface NoiseFloor {
  size: Floor;
  colour: Floor;
  /** Null for a network that it was not measured of. */
  risk: Floor | null;
}

/** For a bundle's photographs; of unknown bundles the worst of every kind of photograph. @param scaled both widths are known. */
export function noiseFloor(sha256: string, scaled: boolean): NoiseFloor {
  const known = measured.domains.filter((domain) => domain.sha256 === sha256);
  const domains = known.length > 0 ? known : measured.domains;
  return {
    size: { ...worst(domains.map((domain) => (scaled ? domain.growth_scaled : domain.growth))), real: worst(domains.map((domain) => domain.growth)).real },
    colour: worst(domains.map((domain) => domain.colour)),
    risk: known.length > 0 ? worst(known.map((domain) => domain.risk)) : null,
  };
}

function worst(floors: { floor: number; under: number; real?: number }[]): Floor {
  const highest = floors.reduce((a, b) => (b.floor > a.floor ? b : a));
  return { ...highest, real: highest.real ?? null };
}
