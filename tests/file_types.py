"""The binary files of a run folder, written down by hand: what tests hold spec/files.yaml against.

Type -> the struct letters of its header and of its record, the columns of its CSV, and a usual
name. Letters: i and I are 4 bytes, q and d are 8, f follows OASIS_FLOAT, a OASIS_AREAPERIL_TYPE,
and h is a float of 4 bytes always. A column before the record's own (coverage_id) is its number.
"""

from __future__ import annotations

OCCURRENCE = "Period,PeriodWeight,EventId,Year,Month,Day,Hour,Minute,SummaryId"
PROFILE = (
    "profile_id,calcrule_id,deductible1,deductible2,deductible3,attachment1,limit1,"
    "share1,share2,share3"
)

FILES = {
    "items": (
        "", "iIaiI", "item_id,coverage_id,areaperil_id,vulnerability_id,group_id", "items.bin",
    ),
    "coverages": ("", "f", "coverage_id,tiv", "coverages.bin"),
    "correlations": (
        "", "iifif",
        "item_id,peril_correlation_group,damage_correlation_value,hazard_group_id,"
        "hazard_correlation_value", "correlations.bin",
    ),
    "gul_summary_xref": ("", "iii", "item_id,summary_id,summaryset_id", "gulsummaryxref.bin"),
    "fm_summary_xref": ("", "iii", "output,summary_id,summaryset_id", "fmsummaryxref.bin"),
    "fm_programme": ("", "iii", "from_agg_id,level_id,to_agg_id", "fm_programme.bin"),
    "fm_policytc": ("", "iiii", "level_id,agg_id,layer_id,profile_id", "fm_policytc.bin"),
    "fm_profile": ("", "iiffffffff", PROFILE, "fm_profile.bin"),
    "fm_profile_step": (
        "", "iiffffffffifffffff",
        PROFILE + ",step_id,trigger_start,trigger_end,payout_start,payout_end,limit2,scale1,scale2",
        "fm_profile_step.bin",
    ),
    "fm_xref": ("", "iii", "output,agg_id,layer_id", "fm_xref.bin"),
    "damagebin": (
        "", "ifffi", "bin_index,bin_from,bin_to,interpolation,damage_type", "damage_bin_dict.bin"
    ),
    "aggregatevulnerability": (
        "", "ii", "aggregate_vulnerability_id,vulnerability_id", "aggregate_vulnerability.bin"
    ),
    "weights": ("", "aif", "areaperil_id,vulnerability_id,weight", "weights.bin"),
    "periods": ("", "id", "period_no,weighting", "periods.bin"),
    "returnperiods": ("", "i", "return_period", "returnperiods.bin"),
    "quantile": ("", "h", "quantile", "quantile.bin"),
    "random": ("", "h", "random_no", "random.bin"),
    "amplifications": ("i", "ii", "item_id,amplification_id", "amplifications.bin"),
    "selt": ("", "iiiff", "EventId,SummaryId,SampleId,Loss,ImpactedExposure", "selt.bin"),
    "melt": (
        "", "iiiffffffff",
        "EventId,SummaryId,SampleType,EventRate,ChanceOfLoss,MeanLoss,SDLoss,MaxLoss,"
        "FootprintExposure,MeanImpactedExposure,MaxImpactedExposure", "melt.bin",
    ),
    "qelt": ("", "iiff", "EventId,SummaryId,Quantile,Loss", "qelt.bin"),
    "splt": (
        "", "ifiiiiiiiiff", OCCURRENCE + ",SampleId,Loss,ImpactedExposure", "splt.bin"
    ),
    "mplt": (
        "", "ifiiiiiiiifffffff",
        OCCURRENCE + ",SampleType,ChanceOfLoss,MeanLoss,SDLoss,MaxLoss,FootprintExposure,"
        "MeanImpactedExposure,MaxImpactedExposure", "mplt.bin",
    ),
    "qplt": ("", "ifiiiiiiiff", OCCURRENCE + ",Quantile,Loss", "qplt.bin"),
    "aal": ("", "iiff", "SummaryId,SampleType,MeanLoss,SDLoss", "aal.bin"),
    "aalmeanonly": ("", "iif", "SummaryId,SampleType,MeanLoss", "aalmeanonly.bin"),
    "alct": (
        "", "iffiffffffffff",
        "SummaryId,MeanLoss,SDLoss,SampleSize,LowerCI,UpperCI,StandardError,RelativeError,"
        "VarElementHaz,StandardErrorHaz,RelativeErrorHaz,VarElementVuln,StandardErrorVuln,"
        "RelativeErrorVuln", "alct.bin",
    ),
    "ept": ("", "iiiff", "SummaryId,EPCalc,EPType,ReturnPeriod,Loss", "ept.bin"),
    "psept": ("", "iiiff", "SummaryId,SampleId,EPType,ReturnPeriod,Loss", "psept.bin"),
}  # fmt: skip

WIDTHS = {
    "narrow": {"f": "f", "a": "I", "h": "f"},
    "wide": {"f": "d", "a": "Q", "h": "f"},
}
"""Build of the tools -> the letters of struct that stand for those that it chooses."""


def letters(text: str, build: str) -> str:
    """The layout of a record as struct takes it."""
    return "<" + "".join(WIDTHS[build].get(letter, letter) for letter in text)


def rows(text: str, count: int = 5) -> list[tuple[float, ...]]:
    """Values that keep the rules: numbers from 1 upwards, and floats from 0 to 1; one number alone
    is a return period, which fall."""
    numbers = range(count, 0, -1) if text == "i" else range(1, count + 1)
    return [tuple((n % 4) * 0.25 if letter in "fhd" else n for letter in text) for n in numbers]
